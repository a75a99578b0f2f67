// Maps a file that another makes shorter meanwhile, and reads what is no longer there. Argument: seconds.
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
int main(int argc, char **argv) {
    (void)argc;
    int file = memfd_create("rows", 0);
    if (ftruncate(file, 8192)) return 1;
    volatile char *rows = mmap(NULL, 8192, PROT_READ, MAP_SHARED, file, 0);
    usleep((useconds_t)(atof(argv[1]) * 1e6));
    if (ftruncate(file, 0)) return 1;
    return rows[4096];
}
