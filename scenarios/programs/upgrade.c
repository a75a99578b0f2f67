// A TCP service whose handlers read under a shared lock; after ONSET seconds two of them want to make it theirs.
#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
static pthread_rwlock_t table = PTHREAD_RWLOCK_INITIALIZER;
static int listener;
static time_t onset;
static void *serve(void *unused) {
    char line[64];
    for (;;) {
        int peer = accept(listener, NULL, NULL);
        if (peer < 0) continue;
        if (read(peer, line, sizeof line) > 0) {
            pthread_rwlock_rdlock(&table);
            if (time(NULL) >= onset) {
                usleep(300000);
                pthread_rwlock_wrlock(&table);
            }
            pthread_rwlock_unlock(&table);
            (void)!write(peer, "ok\n", 3);
        }
        close(peer);
    }
    return unused;
}
int main(int argc, char **argv) {
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
    pthread_t thread;
    int yes = 1;
    onset = time(NULL) + (argc > 2 ? atoi(argv[2]) : 10);
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (void *)&here, sizeof here) || listen(listener, 64)) return 1;
    for (int i = 0; i < 4; i++) pthread_create(&thread, NULL, serve, NULL);
    for (;;) pause();
}
