// One thread that encodes frames at the speed at which they come: busy 60 % of each 40 ms, for ever.
#include <time.h>
#include <unistd.h>
static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}
int main(void) {
    for (double frame = now();; frame += 0.04) {
        for (double end = now() + 0.024; now() < end;) for (volatile int i = 0; i < 10000; i++) {}
        double left = frame + 0.04 - now();
        if (left > 0) usleep((useconds_t)(left * 1e6));
    }
}
