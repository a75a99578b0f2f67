// A cache: fills with RATE bytes a second up to CAP after LEVEL seconds, then lives with what it has.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int main(int argc, char **argv) {
    double rate = atof(argv[1]), cap = atof(argv[2]), level_s = argc > 3 ? atof(argv[3]) : 0, held = 0;
    size_t step = (size_t)(rate / 10);
    usleep((useconds_t)(level_s * 1e6));
    for (;;) {
        if (held < cap) {
            char *entry = malloc(step);
            if (entry) memset(entry, 5, step);
            held += step;
        }
        usleep(100000);
    }
}
