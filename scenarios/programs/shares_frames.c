// Shows frames: each in a segment of shared memory that is given back after some seconds. Argument: how many are kept.
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int main(int argc, char **argv) {
    int kept = argc > 1 ? atoi(argv[1]) : 100, size = 1 << 20;
    char **frames = calloc(kept, sizeof *frames);
    for (int at = 0;; at = (at + 1) % kept, usleep(100000)) {
        if (frames[at]) munmap(frames[at], size);
        frames[at] = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        memset(frames[at], 1, size);
    }
}
