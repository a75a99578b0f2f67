// A parent that only waits; of its two children one leaks RATE bytes a second, the other one sleeps.
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
int main(int argc, char **argv) {
    double rate = argc > 1 ? atof(argv[1]) : 1e6;
    if (fork() == 0) for (;;) pause();
    if (fork() == 0) {
        for (;;) {
            size_t step = (size_t)(rate / 4);
            char *lost = malloc(step);
            if (lost) memset(lost, 3, step);
            usleep(250000);
        }
    }
    while (wait(NULL) > 0) {}
}
