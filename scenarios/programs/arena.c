// A database that takes its arena of SIZE bytes at the start, page by page, within SECONDS, and rests.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int main(int argc, char **argv) {
    size_t size = (size_t)atof(argv[1]), done = 0;
    double seconds = argc > 2 ? atof(argv[2]) : 5;
    char *arena = malloc(size);
    while (arena && done < size) {
        size_t step = (size_t)(size / seconds / 20);
        if (step > size - done) step = size - done;
        memset(arena + done, 1, step);
        done += step;
        usleep(50000);
    }
    for (;;) pause();
}
