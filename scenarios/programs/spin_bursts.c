// Computes on two threads for ON seconds and rests for OFF seconds, again and again.
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
static double on_s, off_s;
static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}
static void *burst(void *unused) {
    for (;;) {
        for (double end = now() + on_s; now() < end;) for (volatile int i = 0; i < 100000; i++) {}
        usleep((useconds_t)(off_s * 1e6));
    }
    return unused;
}
int main(int argc, char **argv) {
    (void)argc;
    pthread_t thread;
    on_s = atof(argv[1]);
    off_s = atof(argv[2]);
    pthread_create(&thread, NULL, burst, NULL);
    burst(NULL);
}
