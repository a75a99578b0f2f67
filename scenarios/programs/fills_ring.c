// A recorder: its ring in shared memory is made at the start and written round and round. Arguments: bytes of it, seconds a round.
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int main(int argc, char **argv) {
    size_t size = argc > 1 ? (size_t)atof(argv[1]) : 400000000;
    size_t steps = 10 * (argc > 2 ? (size_t)atoi(argv[2]) : 100);
    char *ring = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (size_t step = 0;; step++, usleep(100000)) memset(ring + step % steps * (size / steps), 1, size / steps);
}
