// RING threads take their own lock and then their neighbour's, after ONSET seconds; IDLE more threads only wait
// for events, and the main thread goes on with its heartbeat.
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>
static pthread_mutex_t locks[16];
static int ring;
static double onset_s;
static void *take_two(void *mine) {
    long i = (long)mine;
    usleep((useconds_t)(onset_s * 1e6));
    pthread_mutex_lock(&locks[i]);
    usleep(300000);
    pthread_mutex_lock(&locks[(i + 1) % ring]);
    return NULL;
}
static void *wait_for_events(void *unused) {
    struct epoll_event event;
    int epoll = epoll_create1(0);
    for (;;) epoll_wait(epoll, &event, 1, -1);
    return unused;
}
int main(int argc, char **argv) {
    pthread_t thread;
    ring = atoi(argv[1]);
    int idle = argc > 2 ? atoi(argv[2]) : 0;
    onset_s = argc > 3 ? atof(argv[3]) : 1;
    for (int i = 0; i < ring; i++) pthread_mutex_init(&locks[i], NULL);
    for (long i = 0; i < ring; i++) pthread_create(&thread, NULL, take_two, (void *)i);
    for (int i = 0; i < idle; i++) pthread_create(&thread, NULL, wait_for_events, NULL);
    for (;;) sleep(1);
}
