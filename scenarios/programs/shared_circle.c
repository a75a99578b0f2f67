// Two processes share two locks in memory and take them in opposite order.
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
int main(void) {
    pthread_mutex_t *locks = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t shared;
    pthread_mutexattr_init(&shared);
    pthread_mutexattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
    for (int i = 0; i < 2; i++) pthread_mutex_init(&locks[i], &shared);
    int child = fork() == 0;
    sleep(5);
    pthread_mutex_lock(&locks[child]);
    sleep(1);
    pthread_mutex_lock(&locks[!child]);
    return 0;
}
