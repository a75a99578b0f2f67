// A table in a shared file in memory that is made longer by each entry and never shorter. Arguments: bytes a second, seconds before.
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int main(int argc, char **argv) {
    size_t rate = argc > 1 ? (size_t)atof(argv[1]) / 4096 * 4096 : 2048000, length = 4096;
    int file = memfd_create("table", 0);
    if (ftruncate(file, length)) return 1;
    char *table = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    for (sleep(argc > 2 ? atoi(argv[2]) : 0);; sleep(1)) {
        if (ftruncate(file, length + rate)) return 1;
        table = mremap(table, length, length + rate, MREMAP_MAYMOVE);
        memset(table + length, 1, rate);
        length += rate;
    }
}
