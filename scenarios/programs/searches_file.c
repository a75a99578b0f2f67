/* Maps a large file that it wrote and reads it at a few megabytes a second, as a search over an index does. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int main(int argc, char **argv) {
    size_t size = atof(argv[1]), rate = atof(argv[2]);
    char name[] = "/tmp/index-XXXXXX", block[65536];
    int file = mkstemp(name);
    memset(block, 'i', sizeof block);
    for (size_t at = 0; at < size; at += sizeof block)
        if (write(file, block, sizeof block) < 0) return 1;
    unlink(name);
    volatile char *index = mmap(0, size, PROT_READ, MAP_PRIVATE, file, 0);
    unsigned long sum = 0;
    for (size_t at = 0;; at = (at + rate / 10) % size) {
        for (size_t page = at; page < at + rate / 10 && page < size; page += 4096) sum += index[page];
        usleep(100000);
    }
}
