// A callback takes the lock that its caller holds: the only worker waits for itself, the main thread for the worker.
#include <pthread.h>
#include <unistd.h>
static pthread_mutex_t state = PTHREAD_MUTEX_INITIALIZER;
static void callback(void) {
    pthread_mutex_lock(&state);
    pthread_mutex_unlock(&state);
}
static void *work(void *unused) {
    sleep(5);
    pthread_mutex_lock(&state);
    callback();
    return unused;
}
int main(void) {
    pthread_t thread;
    pthread_create(&thread, NULL, work, NULL);
    pthread_join(thread, NULL);
}
