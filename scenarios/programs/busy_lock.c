// Six threads fight for one lock, hold it for a while and pass it on: slow, but it moves.
#include <pthread.h>
#include <unistd.h>
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void *fight(void *unused) {
    for (;;) {
        pthread_mutex_lock(&lock);
        usleep(20000);
        pthread_mutex_unlock(&lock);
    }
    return unused;
}
int main(void) {
    pthread_t thread;
    for (int i = 0; i < 6; i++) pthread_create(&thread, NULL, fight, NULL);
    pthread_join(thread, NULL);
}
