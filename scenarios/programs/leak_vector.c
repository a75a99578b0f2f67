// Notes each request in one vector that is doubled when it is full and never emptied. Argument: bytes a second.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv) {
    size_t rate = argc > 1 ? (size_t)atof(argv[1]) : 3000000, length = 0, room = 4096;
    char *notes = malloc(room);
    for (;; usleep(100000)) {
        size_t more = rate / 10;
        while (length + more > room) notes = realloc(notes, room *= 2);
        memset(notes + length, 1, more);
        length += more;
    }
}
