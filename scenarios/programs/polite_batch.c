// The same as spin.c on two threads, but at nice 19: it leaves the CPUs to whoever wants them.
#include <pthread.h>
#include <unistd.h>
static void *spin(void *unused) {
    for (volatile unsigned long i = 0;; i++) {}
    return unused;
}
int main(void) {
    pthread_t thread;
    (void)!nice(19);
    pthread_create(&thread, NULL, spin, NULL);
    spin(NULL);
}
