// Works for SECONDS and ends badly: KIND is exit, segv, abort, kill or floating.
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int main(int argc, char **argv) {
    const char *kind = argv[1];
    usleep((useconds_t)((argc > 2 ? atof(argv[2]) : 0) * 1e6));
    if (!strcmp(kind, "segv")) *(volatile int *)8 = 1;
    if (!strcmp(kind, "abort")) abort();
    if (!strcmp(kind, "kill")) raise(SIGKILL);
    if (!strcmp(kind, "floating")) raise(SIGFPE);
    return 3;
}
