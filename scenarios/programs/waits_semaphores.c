// A service of three workers that wait for work at System V semaphores of their own; somebody else gives some each ten seconds.
#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
    int set = semget(IPC_PRIVATE, 3, IPC_CREAT | 0600);
    for (int worker = 0; worker < 3; worker++) {
        if (fork()) continue;
        for (;;) {
            struct sembuf take = {worker, -1, 0};
            if (semop(set, &take, 1)) return 0;
            for (volatile long i = 0; i < 20000000; i++) {}
        }
    }
    for (int worker = 0;; worker = (worker + 1) % 3, sleep(10)) {
        struct sembuf give = {worker, 1, 0};
        if (semop(set, &give, 1)) return 1;
    }
}
