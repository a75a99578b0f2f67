// Starts threads that finish their work and then wait for an order that never comes; each touched 256 KiB of stack.
#include <pthread.h>
#include <unistd.h>

static void *work(void *argument) {
    volatile char stack[256 * 1024];
    for (size_t at = 0; at < sizeof stack; at += 4096) stack[at] = 1;
    pause();
    return argument;
}

int main(void) {
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 512 * 1024);
    for (pthread_t thread;; usleep(125000)) pthread_create(&thread, &small, work, NULL);
}
