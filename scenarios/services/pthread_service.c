// A small real service in C: worker threads that accept, a mutex around its store, one answer a line.
// Its faults are real ones, switched on by a datagram; it knows nothing of Homeostat. The same service in Rust
// stands in bin/homeostat/src/demo/service.rs.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { WORKERS = 4, WORK_ROUNDS = 20000 };

static pthread_mutex_t store = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t index_lock = PTHREAD_MUTEX_INITIALIZER;
static int listener = -1;
static const char *lease_path;

static void pause_s(double seconds) {
    struct timespec t = {(time_t)seconds, (long)((seconds - (time_t)seconds) * 1e9)};
    while (nanosleep(&t, &t) == -1 && errno == EINTR) {}
}

// What a request costs: a few tens of microseconds of arithmetic.
static uint64_t work(uint64_t seed) {
    for (int i = 0; i < WORK_ROUNDS; i++) seed = seed * 6364136223846793005u + 1442695040888963407u;
    return seed;
}

static void *serve(void *unused) {
    (void)unused;
    char line[64];
    for (;;) {
        int peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (peer < 0) {
            pause_s(0.01);
            continue;
        }
        ssize_t got = read(peer, line, sizeof line);
        if (got > 0) {
            pthread_mutex_lock(&store);
            uint64_t answer = work((uint64_t)line[0]);
            pthread_mutex_unlock(&store);
            int length = snprintf(line, sizeof line, "ok %llu\n", (unsigned long long)answer);
            if (write(peer, line, (size_t)length) < 0) { /* the client gave up */ }
        }
        close(peer);
    }
    return NULL;
}

// What goes wrong has names that whoever looks at the stacks of a stripped program can see.
void *c_leaks_memory(void *bytes_per_s) {
    double rate = *(double *)bytes_per_s;
    size_t step = (size_t)(rate / 20);
    for (;;) {
        char *lost = malloc(step);
        if (lost) memset(lost, 1, step);
        pause_s(0.05);
    }
    return NULL;
}

static void *leak_descriptors(void *per_s) {
    double rate = *(double *)per_s;
    for (;;) {
        if (open("/dev/null", O_RDONLY | O_CLOEXEC) < 0) perror("open");
        pause_s(1.0 / rate);
    }
    return NULL;
}

void *c_spins(void *unused) {
    (void)unused;
    volatile uint64_t sink = 1;
    for (;;) sink = work(sink);
    return NULL;
}

void *c_takes_store_then_index(void *unused) {
    (void)unused;
    pthread_mutex_lock(&store);
    pause_s(0.2);
    pthread_mutex_lock(&index_lock);
    return NULL;
}

void *c_takes_index_then_store(void *unused) {
    (void)unused;
    pthread_mutex_lock(&index_lock);
    pause_s(0.2);
    pthread_mutex_lock(&store);
    return NULL;
}

static void start(void *(*body)(void *), void *argument) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, body, argument) != 0) perror("pthread_create");
}

static void crash(double hold_s) {
    FILE *lease = fopen(lease_path, "w");
    if (lease) {
        fprintf(lease, "%f", hold_s);
        fclose(lease);
    }
    fprintf(stderr, "internal error: index is inconsistent\n");
    exit(70);
}

// After a crash the lease of the dead instance must run out; every attempt to start renews it.
static void wait_for_lease(void) {
    FILE *lease = fopen(lease_path, "r+");
    if (!lease) return;
    double hold_s = 0;
    struct stat info;
    struct timespec now;
    if (fscanf(lease, "%lf", &hold_s) == 1 && fstat(fileno(lease), &info) == 0) {
        clock_gettime(CLOCK_REALTIME, &now);
        double age = (double)(now.tv_sec - info.st_mtim.tv_sec) + (now.tv_nsec - info.st_mtim.tv_nsec) / 1e9;
        if (age < hold_s) {
            futimens(fileno(lease), NULL);
            fprintf(stderr, "cannot start: the lease of the last instance is still held\n");
            exit(75);
        }
    }
    fclose(lease);
    unlink(lease_path);
}

static void obey(char *order) {
    static double amount;
    char word[32];
    if (sscanf(order, "%31s %lf", word, &amount) < 1) return;
    if (!strcmp(word, "memory_leak")) start(c_leaks_memory, &amount);
    if (!strcmp(word, "descriptor_leak")) start(leak_descriptors, &amount);
    if (!strcmp(word, "cpu_hog")) for (int i = 0; i < (int)amount; i++) start(c_spins, NULL);
    if (!strcmp(word, "deadlock")) start(c_takes_store_then_index, NULL), start(c_takes_index_then_store, NULL);
    if (!strcmp(word, "crash_loop")) crash(amount);
}

// Serves on 127.0.0.1:port and obeys datagrams at the path `control`, until it is ended.
int pthread_service(int port, const char *control, const char *lease) {
    lease_path = lease;
    wait_for_lease();
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int yes = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, (struct sockaddr *)&here, sizeof here) || listen(listener, 64)) {
        perror("listen");
        return 71;
    }
    int orders = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un where = {.sun_family = AF_UNIX};
    snprintf(where.sun_path, sizeof where.sun_path, "%s", control);
    unlink(control);
    if (bind(orders, (struct sockaddr *)&where, sizeof where)) {
        perror("control");
        return 72;
    }
    for (int i = 0; i < WORKERS; i++) start(serve, NULL);
    for (;;) {
        char order[64] = {0};
        if (recv(orders, order, sizeof order - 1, 0) > 0) obey(order);
    }
}
