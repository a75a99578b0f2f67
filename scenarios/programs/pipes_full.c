// Two processes write to each other, and each reads only when it has written all: both pipes are full. Argument: seconds before.
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void talk(int in, int out, int calm_s) {
    char block[4096], large[200000];
    memset(large, 1, sizeof large);
    for (int i = 0; i < calm_s * 10; i++, usleep(100000))
        if (write(out, block, 100) < 0 || read(in, block, 100) < 0) return;
    for (size_t done = 0; done < sizeof large;) {
        ssize_t wrote = write(out, large + done, sizeof large - done);
        if (wrote <= 0) return;
        done += wrote;
    }
    while (read(in, block, sizeof block) > 0) {}
}

int main(int argc, char **argv) {
    int to[2], back[2], calm_s = argc > 1 ? atoi(argv[1]) : 10;
    if (pipe(to) || pipe(back)) return 1;
    if (fork() == 0) return talk(to[0], back[1], calm_s), 0;
    talk(back[0], to[1], calm_s);
    wait(NULL);
}
