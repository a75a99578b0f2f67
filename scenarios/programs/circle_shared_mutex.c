/* Two processes share two mutexes in memory and, after ONSET seconds of work, take them in opposite order. */
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void work(pthread_mutex_t *first, pthread_mutex_t *second, int pause_ms) {
    pthread_mutex_lock(first);
    usleep(pause_ms * 1000);
    pthread_mutex_lock(second);
    for (volatile int n = 0; n < 300000; n++) {}
    pthread_mutex_unlock(second);
    pthread_mutex_unlock(first);
}

int main(int argc, char **argv) {
    pthread_mutex_t *mutex = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t shared;
    pthread_mutexattr_init(&shared);
    pthread_mutexattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&mutex[0], &shared);
    pthread_mutex_init(&mutex[1], &shared);
    time_t onset = time(0) + atoi(argv[1]);
    int is_child = fork() == 0;
    for (;;) {
        int turned = is_child && time(0) >= onset;
        work(&mutex[turned], &mutex[!turned], time(0) >= onset ? 300 : 1);
        usleep(50000);
    }
}
