// A TCP service like a modern run-time: one thread sleeps in epoll and accepts and reads, a pool of parked threads
// answers. After ONSET seconds whoever answers parks for ever; the door and the event loop go on.
#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t filled = PTHREAD_COND_INITIALIZER, released = PTHREAD_COND_INITIALIZER;
static int queue[1024], waiting;
static time_t onset;
static void *work(void *unused) {
    pthread_mutex_lock(&lock);
    for (;;) {
        while (waiting == 0) pthread_cond_wait(&filled, &lock);
        int peer = queue[--waiting];
        if (time(NULL) >= onset) for (;;) pthread_cond_wait(&released, &lock);
        pthread_mutex_unlock(&lock);
        for (volatile int i = 0; i < 300000; i++) {}
        (void)!write(peer, "ok\n", 3);
        pthread_mutex_lock(&lock);
    }
    return unused;
}
int main(int argc, char **argv) {
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
    struct epoll_event event = {.events = EPOLLIN}, events[32];
    pthread_t thread;
    char line[64];
    int yes = 1, listener = socket(AF_INET, SOCK_STREAM, 0), epoll = epoll_create1(0);
    onset = time(NULL) + (argc > 2 ? atoi(argv[2]) : 10);
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (void *)&here, sizeof here) || listen(listener, 64)) return 1;
    event.data.fd = listener;
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    for (int i = 0; i < 4; i++) pthread_create(&thread, NULL, work, NULL);
    for (;;) {
        int count = epoll_wait(epoll, events, 32, -1);
        for (int i = 0; i < count; i++) {
            int peer = events[i].data.fd;
            if (peer == listener) {
                event.data.fd = accept(listener, NULL, NULL);
                epoll_ctl(epoll, EPOLL_CTL_ADD, event.data.fd, &event);
                continue;
            }
            if (read(peer, line, sizeof line) <= 0) {
                // A handler of its own closes what it was given; this one is gone when the handlers hang.
                if (time(NULL) < onset) close(peer);
                else epoll_ctl(epoll, EPOLL_CTL_DEL, peer, NULL);
                continue;
            }
            pthread_mutex_lock(&lock);
            if (waiting < 1024) queue[waiting++] = peer;
            pthread_cond_signal(&filled);
            pthread_mutex_unlock(&lock);
        }
    }
}
