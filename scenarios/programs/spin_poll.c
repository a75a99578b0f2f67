// Asks a descriptor that is always ready whether it is, for ever. Argument: threads.
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static void *ask(void *unused) {
    int ends[2];
    if (pipe(ends) || write(ends[1], "x", 1) != 1) exit(1);
    for (;;) {
        struct pollfd one = {ends[0], POLLIN, 0};
        poll(&one, 1, 1000);
    }
    return unused;
}

int main(int argc, char **argv) {
    pthread_t other;
    for (int i = 1; i < (argc > 1 ? atoi(argv[1]) : 3); i++) pthread_create(&other, NULL, ask, NULL);
    ask(NULL);
}
