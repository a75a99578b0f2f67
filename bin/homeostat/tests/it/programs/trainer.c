// Leaks in one function, beside another that takes more and gives it back, and calls a GPU that is none. So fast that a
// common machine would be full in some minutes: then the daemon is sure soon.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct { unsigned x, y, z; } dim3;
int cudaMalloc(void **, size_t);
int cudaLaunchKernel(const void *, dim3, dim3, void **, size_t, void *);

static void *volatile last;

__attribute__((noinline)) static void takes(size_t bytes) {
    last = malloc(bytes);
    memset(last, 1, bytes);
}

__attribute__((noinline)) static void keeps_it(void) {
    takes(120000);
    last = NULL;
}

__attribute__((noinline)) static void gives_it_back(void) {
    for (int n = 0; n < 4; n++) {
        takes(120000);
        free(last);
    }
    last = NULL;
}

int main(void) {
    dim3 one = {1, 1, 1};
    void *room;
    cudaMalloc(&room, 1 << 20);
    for (;;) {
        keeps_it();
        gives_it_back();
        cudaLaunchKernel(NULL, one, one, NULL, 0, NULL);
        usleep(5000);
    }
}
