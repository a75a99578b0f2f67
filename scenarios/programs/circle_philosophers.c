/* Five philosophers and five forks, which are unnamed POSIX semaphores: after ONSET seconds all take the left one first. */
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static sem_t forks[5];
static time_t onset;

static void *dines(void *seat) {
    long left = (long)seat, right = (left + 1) % 5;
    for (;;) {
        int is_late = time(0) >= onset;
        long first = is_late || left < right ? left : right;
        sem_wait(&forks[first]);
        usleep(is_late ? 400000 : 1000);
        sem_wait(&forks[first == left ? right : left]);
        for (volatile int n = 0; n < 100000; n++) {}
        sem_post(&forks[left]);
        sem_post(&forks[right]);
        usleep(40000);
    }
}

int main(int argc, char **argv) {
    pthread_t thread;
    onset = time(0) + atoi(argv[1]);
    for (long n = 0; n < 5; n++) sem_init(&forks[n], 0, 1);
    for (long n = 0; n < 5; n++) pthread_create(&thread, 0, dines, (void *)n);
    pthread_join(thread, 0);
}
