// Takes shared memory without a name, as workers that talk through it do, and never gives a block back.
// Arguments: bytes a second, seconds before it begins.
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int main(int argc, char **argv) {
    size_t size = argc > 1 ? (size_t)atof(argv[1]) : 2000000;
    sleep(argc > 2 ? atoi(argv[2]) : 0);
    for (;; sleep(1)) {
        char *block = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (block == MAP_FAILED) return 1;
        memset(block, 1, size);
    }
}
