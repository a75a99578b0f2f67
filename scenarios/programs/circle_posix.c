// Two workers take two POSIX semaphores in memory that they share, each in its own order. Argument: seconds before.
#include <semaphore.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv) {
    int calm_s = argc > 1 ? atoi(argv[1]) : 10;
    sem_t *both = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    sem_init(both, 1, 1);
    sem_init(both + 1, 1, 1);
    for (int worker = 0; worker < 2; worker++) {
        if (fork()) continue;
        for (int i = 0; i < calm_s * 20; i++) {
            sem_wait(both);
            usleep(10000);
            sem_post(both);
            usleep(40000);
        }
        sem_wait(both + worker);
        sleep(1);
        sem_wait(both + 1 - worker);
        return 0;
    }
    while (wait(NULL) > 0) {}
}
