// A CUDA run-time, an NCCL and a program of known truth that uses them, for the tests of calls: built three times, with
// -DCUDART and -DNCCL as libraries. Nothing here has a GPU.
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct { unsigned x, y, z; } dim3;

#ifdef CUDART
// Odd sizes only are too much.
int cudaMalloc(void **at, size_t bytes) {
    if (bytes & 1) return 2;
    *at = malloc(16);
    return 0;
}
int cudaFree(void *at) { free(at); return 0; }
int cudaLaunchKernel(const void *f, dim3 grid, dim3 block, void **arguments, size_t shared, void *stream) {
    return (f != NULL) + (grid.x + block.x != 2) + (arguments != NULL) + (shared != 0) + (stream != NULL);
}
int cudaMemcpy(void *to, const void *from, size_t bytes, int kind) { return usleep(3000), 0; }
int cudaMemcpyAsync(void *to, const void *from, size_t bytes, int kind, void *stream) { return 0; }
int cudaStreamSynchronize(void *stream) { return usleep(6000), 0; }
int cudaDeviceSynchronize(void) { return pause(); }
#elif defined NCCL
int ncclAllReduce(const void *from, void *to, size_t count, int type, int operation, void *peers, void *stream) {
    return usleep(1500), 0;
}
int ncclSend(const void *from, size_t count, int type, int peer, void *peers, void *stream) { return 0; }
#else
int cudaMalloc(void **, size_t);
int cudaFree(void *);
int cudaLaunchKernel(const void *, dim3, dim3, void **, size_t, void *);
int cudaMemcpy(void *, const void *, size_t, int);
int cudaMemcpyAsync(void *, const void *, size_t, int, void *);
int cudaStreamSynchronize(void *);
int cudaDeviceSynchronize(void);
int ncclAllReduce(const void *, void *, size_t, int, int, void *, void *);
int ncclSend(const void *, size_t, int, int, void *, void *);

static void *trains(void *unused) {
    dim3 one = {1, 1, 1};
    void *room;
    for (int step = 0; step < 40; step++) {
        cudaMalloc(&room, 1 << 20);
        cudaMemcpy(room, room, 1000, 1);
        for (int n = 0; n < 3; n++) cudaLaunchKernel(NULL, one, one, NULL, 0, NULL);
        cudaMemcpyAsync(room, room, 5ul << 30, 2, NULL);
        ncclAllReduce(room, room, 1024, 7, 0, NULL, NULL);
        ncclSend(room, 100, 9, 1, NULL, NULL);
        cudaStreamSynchronize(NULL);
        cudaFree(room);
        if (step % 4 == 0) cudaMalloc(&room, 64 << 10);
        if (step % 8 == 0) cudaMalloc(&room, 1001);
    }
    return unused;
}

static void *hangs(void *unused) { return cudaDeviceSynchronize(), unused; }

static void wait_for_a_line(void) {
    char line[16];
    if (!fgets(line, sizeof line, stdin)) exit(0);
}

int main(void) {
    pthread_t two[2], third;
    void *before;
    cudaMalloc(&before, 1 << 20);
    printf("%p\n", (void *)cudaLaunchKernel);
    fflush(stdout);
    for (;;) {
        wait_for_a_line();
        // What was allocated before anybody looked is freed: nobody knows its size.
        cudaFree(before);
        before = NULL;
        for (int n = 0; n < 2; n++) pthread_create(&two[n], NULL, trains, NULL);
        for (int n = 0; n < 2; n++) pthread_join(two[n], NULL);
        pthread_create(&third, NULL, hangs, NULL);
        puts("done");
        fflush(stdout);
    }
}
#endif
