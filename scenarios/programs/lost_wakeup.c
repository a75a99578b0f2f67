// A TCP service with a queue: the acceptor signals once too seldom, after ONSET seconds both workers sleep for ever.
#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t filled = PTHREAD_COND_INITIALIZER;
static int queue[64], waiting;
static void *work(void *unused) {
    char line[64];
    for (;;) {
        pthread_mutex_lock(&lock);
        while (waiting == 0) pthread_cond_wait(&filled, &lock);
        int peer = queue[--waiting];
        pthread_mutex_unlock(&lock);
        if (read(peer, line, sizeof line) > 0) (void)!write(peer, "ok\n", 3);
        close(peer);
    }
    return unused;
}
int main(int argc, char **argv) {
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
    pthread_t thread;
    int yes = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    time_t onset = time(NULL) + (argc > 2 ? atoi(argv[2]) : 10);
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (void *)&here, sizeof here) || listen(listener, 64)) return 1;
    for (int i = 0; i < 2; i++) pthread_create(&thread, NULL, work, NULL);
    for (;;) {
        int peer = accept(listener, NULL, NULL);
        pthread_mutex_lock(&lock);
        if (waiting < 64) queue[waiting++] = peer;
        if (time(NULL) < onset) pthread_cond_signal(&filled);
        pthread_mutex_unlock(&lock);
    }
}
