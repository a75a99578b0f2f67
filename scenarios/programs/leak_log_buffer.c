/* Appends to a log in memory which it lets grow by mremap(2), a page and more at a time. RATE bytes a second, from ONSET on. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv) {
    double rate = atof(argv[1]);
    sleep(argc > 2 ? atoi(argv[2]) : 0);
    size_t mapped = 1 << 20, used = 0;
    char *log = mmap(0, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (;;) {
        size_t more = rate / 20;
        if (used + more > mapped) {
            log = mremap(log, mapped, mapped + more + (256 << 10), MREMAP_MAYMOVE);
            mapped += more + (256 << 10);
        }
        memset(log + used, 'l', more);
        used += more;
        nanosleep(&(struct timespec){0, 50000000}, 0);
    }
}
