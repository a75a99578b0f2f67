// Computes without end on THREADS threads after ONSET seconds.
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>
static void *spin(void *unused) {
    for (volatile unsigned long i = 0;; i++) {}
    return unused;
}
int main(int argc, char **argv) {
    pthread_t thread;
    int threads = argc > 1 ? atoi(argv[1]) : 1;
    usleep((useconds_t)((argc > 2 ? atof(argv[2]) : 0) * 1e6));
    for (int i = 1; i < threads; i++) pthread_create(&thread, NULL, spin, NULL);
    spin(NULL);
}
