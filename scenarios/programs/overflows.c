// Serves for SECONDS and then goes too deep: the stack ends.
#include <stdlib.h>
#include <unistd.h>
static int deep(volatile char *above, int n) {
    volatile char room[4096];
    room[0] = (char)n;
    return deep(room, n + 1) + room[0] + above[0];
}
int main(int argc, char **argv) {
    (void)argc;
    usleep((useconds_t)(atof(argv[1]) * 1e6));
    char first = 1;
    return deep(&first, 0);
}
