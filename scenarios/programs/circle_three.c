// Three workers pass work around a ring of pipes; each writes more than a pipe holds before it reads. Argument: seconds before.
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv) {
    int ring[3][2], calm_s = argc > 1 ? atoi(argv[1]) : 10;
    static char work[150000];
    for (int at = 0; at < 3; at++) if (pipe(ring[at])) return 1;
    for (int at = 0; at < 3; at++) {
        if (fork()) continue;
        for (time_t end = time(NULL) + calm_s;;) {
            size_t size = time(NULL) < end ? 1000 : sizeof work;
            if (write(ring[(at + 1) % 3][1], work, size) < 0) return 1;
            for (size_t got = 0; got < size;) got += read(ring[at][0], work, size - got);
            usleep(50000);
        }
    }
    while (wait(NULL) > 0) {}
}
