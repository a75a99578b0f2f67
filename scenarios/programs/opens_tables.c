// A database that opens COUNT files within SECONDS of its start, and keeps them.
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
int main(int argc, char **argv) {
    int count = atoi(argv[1]);
    double seconds = argc > 2 ? atof(argv[2]) : 5;
    for (int i = 0; i < count; i++) {
        if (open("/etc/passwd", O_RDONLY) < 0) return 1;
        usleep((useconds_t)(seconds / count * 1e6));
    }
    for (;;) pause();
}
