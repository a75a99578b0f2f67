// Three workers of five take recursive locks in a ring, one by one; the other two go on working. Argument: seconds before.
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static pthread_mutex_t locks[3];
static int before_s;

static void *ring(void *argument) {
    long number = (long)argument;
    sleep(before_s + (int)number);
    pthread_mutex_lock(&locks[number]);
    pthread_mutex_lock(&locks[number]);
    sleep(4);
    pthread_mutex_lock(&locks[(number + 1) % 3]);
    return NULL;
}

static void *works(void *argument) {
    for (;; usleep(20000)) for (volatile int i = 0; i < 20000; i++) {}
    return argument;
}

int main(int argc, char **argv) {
    before_s = argc > 1 ? atoi(argv[1]) : 3;
    pthread_mutexattr_t recursive;
    pthread_mutexattr_init(&recursive);
    pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
    pthread_t thread;
    for (int i = 0; i < 3; i++) pthread_mutex_init(&locks[i], &recursive);
    for (long i = 0; i < 3; i++) pthread_create(&thread, NULL, ring, (void *)i);
    for (int i = 0; i < 2; i++) pthread_create(&thread, NULL, works, NULL);
    for (;;) pause();
}
