// A program of known truth for the tests of stacks: it leaks, spins or deadlocks in functions of known names.
// Compiled without frame pointers, as distributions do.
#define _GNU_SOURCE
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAMED __attribute__((noinline, noclone))

static pthread_mutex_t first = PTHREAD_MUTEX_INITIALIZER, second = PTHREAD_MUTEX_INITIALIZER;
static volatile uint64_t sink = 1;

NAMED void keeps_what_it_takes(size_t bytes) {
    char *lost = malloc(bytes);
    memset(lost, 1, bytes);
    sink += (uint64_t)lost[0];
}

NAMED void gives_back_what_it_takes(size_t bytes) {
    char *room = malloc(bytes);
    memset(room, 2, bytes);
    sink += (uint64_t)room[0];
    free(room);
}

NAMED void handles_a_request(int n) {
    for (int i = 0; i < 3; i++) gives_back_what_it_takes(400 << 10);
    keeps_what_it_takes(20 << 10);
    sink += (uint64_t)n;
}

NAMED void spins(void) {
    for (int i = 0; i < 50000; i++) sink = sink * 6364136223846793005u + 1;
}

NAMED void takes_the_second(void) { pthread_mutex_lock(&second), sink++; }
NAMED void takes_the_first(void) { pthread_mutex_lock(&first), sink++; }

static void *first_then_second(void *unused) {
    pthread_mutex_lock(&first);
    usleep(100000);
    takes_the_second();
    return unused;
}

static void *second_then_first(void *unused) {
    pthread_mutex_lock(&second);
    usleep(100000);
    takes_the_first();
    return unused;
}

// A convoy: one holds the lock and works or rests under it, others wait.
NAMED void works_under_the_lock(void) {
    for (int i = 0; i < 200000; i++) spins();
}

NAMED void rests_under_the_lock(void) { sleep(30), sink++; }

static void *holds_and_works(void *unused) {
    pthread_mutex_lock(&first);
    works_under_the_lock();
    return unused;
}

static void *holds_and_rests(void *unused) {
    pthread_mutex_lock(&first);
    rests_under_the_lock();
    return unused;
}

static void *queues(void *unused) {
    takes_the_first();
    return unused;
}

static void convoy(void *(*holds)(void *)) {
    pthread_t one;
    pthread_create(&one, NULL, holds, NULL);
    usleep(100000);
    for (int i = 0; i < 3; i++) pthread_create(&one, NULL, queues, NULL);
    usleep(200000);
}

int main(int count, char **arguments) {
    const char *what = count > 1 ? arguments[1] : "";
    // What is given back is unmapped: in a heap the next to take it would keep memory that another touched first. That
    // is what `heap` is about.
    if (strcmp(what, "heap")) {
        mallopt(M_MMAP_THRESHOLD, 128 << 10);
    } else {
        mallopt(M_MMAP_THRESHOLD, 32 << 20);
        mallopt(M_TRIM_THRESHOLD, 1 << 30);
        mallopt(M_TOP_PAD, 0);
    }
    if (!strcmp(what, "deadlock")) {
        pthread_t one, other;
        pthread_create(&one, NULL, first_then_second, NULL);
        pthread_create(&other, NULL, second_then_first, NULL);
        usleep(200000);
    }
    if (!strcmp(what, "convoy")) convoy(holds_and_rests);
    if (!strcmp(what, "busy-convoy")) convoy(holds_and_works);
    puts("ready");
    fflush(stdout);
    // Ends by itself: no test leaves it behind.
    for (int n = 0; n < 3000; n++) {
        if (!strcmp(what, "leak") || !strcmp(what, "heap")) handles_a_request(n);
        if (!strcmp(what, "spin")) for (int i = 0; i < 60; i++) spins();
        usleep(strcmp(what, "spin") ? 10000 : 100);
    }
    return sink == 0;
}
