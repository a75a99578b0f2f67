// Starts threads that finish their work and then wait for an order that never comes; each touched 256 KiB of stack.
#include <pthread.h>
#include <string.h>
#include <unistd.h>

static void *work(void *argument) {
    char stack[256 * 1024];
    memset(stack, 1, sizeof stack);
    pause();
    return stack + (argument != NULL);
}

int main(void) {
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 512 * 1024);
    for (pthread_t thread;; usleep(125000)) pthread_create(&thread, &small, work, NULL);
}
