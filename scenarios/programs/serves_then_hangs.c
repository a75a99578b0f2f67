// A TCP service of four workers; after ONSET seconds two helpers take the locks of the store in opposite order, and
// every worker that wants the store joins them. The door stays open.
#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
static pthread_mutex_t store = PTHREAD_MUTEX_INITIALIZER, journal = PTHREAD_MUTEX_INITIALIZER;
static int listener;
static double onset_s;
static void *serve(void *unused) {
    char line[64];
    for (;;) {
        int peer = accept(listener, NULL, NULL);
        if (peer < 0) continue;
        if (read(peer, line, sizeof line) > 0) {
            pthread_mutex_lock(&store);
            pthread_mutex_unlock(&store);
            (void)!write(peer, "ok\n", 3);
        }
        close(peer);
    }
    return unused;
}
static void *flush(void *unused) {
    usleep((useconds_t)(onset_s * 1e6));
    pthread_mutex_lock(&journal);
    usleep(500000);
    pthread_mutex_lock(&store);
    return unused;
}
static void *compact(void *unused) {
    usleep((useconds_t)(onset_s * 1e6));
    pthread_mutex_lock(&store);
    usleep(500000);
    pthread_mutex_lock(&journal);
    return unused;
}
int main(int argc, char **argv) {
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
    pthread_t thread;
    int yes = 1;
    onset_s = argc > 2 ? atof(argv[2]) : 10;
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (void *)&here, sizeof here) || listen(listener, 64)) return 1;
    for (int i = 0; i < 4; i++) pthread_create(&thread, NULL, serve, NULL);
    pthread_create(&thread, NULL, flush, NULL);
    pthread_create(&thread, NULL, compact, NULL);
    pthread_join(thread, NULL);
}
