// A database: four workers touch the pages of one shared segment as they need them, until all are there.
// Arguments: bytes of the segment, seconds until all of it is in use.
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int main(int argc, char **argv) {
    size_t size = argc > 1 ? (size_t)atof(argv[1]) : 200000000;
    size_t steps = 20 * (argc > 2 ? (size_t)atoi(argv[2]) : 20);
    char *segment = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (int worker = 0; worker < 3; worker++) if (fork() == 0) break;
    for (size_t step = 0;; step++, usleep(50000))
        for (size_t page = 0; page < size / steps / 4096; page++)
            segment[(step % steps) * (size / steps) + page * 4096] = 1;
}
