// A pool of eight threads that waits for work on a condition; none comes. The main thread waits for a signal.
#include <pthread.h>
#include <signal.h>
#include <unistd.h>
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work = PTHREAD_COND_INITIALIZER;
static void *wait_for_work(void *unused) {
    pthread_mutex_lock(&lock);
    for (;;) pthread_cond_wait(&work, &lock);
    return unused;
}
int main(void) {
    pthread_t thread;
    sigset_t set;
    int got;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    for (int i = 0; i < 8; i++) pthread_create(&thread, NULL, wait_for_work, NULL);
    for (;;) sigwait(&set, &got);
}
