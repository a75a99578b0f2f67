// Three threads that try a lock which a fourth keeps, and let others run after each hundred tries.
#include <pthread.h>
#include <sched.h>
#include <unistd.h>
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void *tries(void *unused) {
    for (;;)
        for (int i = 0; i < 100; i++) {
            if (i == 99) sched_yield();
            if (!pthread_mutex_trylock(&lock)) return unused;
        }
}
int main(void) {
    pthread_t thread;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < 3; i++) pthread_create(&thread, NULL, tries, NULL);
    pause();
}
