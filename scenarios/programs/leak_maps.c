// Maps STEP bytes every PERIOD seconds, touches them and loses the address.
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
int main(int argc, char **argv) {
    size_t step = (size_t)atof(argv[1]);
    double period_s = atof(argv[2]), level_s = argc > 3 ? atof(argv[3]) : 0;
    usleep((useconds_t)(level_s * 1e6));
    for (;;) {
        char *lost = mmap(NULL, step, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (lost == MAP_FAILED) return 1;
        memset(lost, 1, step);
        usleep((useconds_t)(period_s * 1e6));
    }
}
