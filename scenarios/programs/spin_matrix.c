// Four threads that multiply matrices whose product nobody reads.
#include <pthread.h>
#include <unistd.h>

enum { N = 300 };
static double a[4][N][N], b[4][N][N], c[4][N][N];

static void *multiply(void *argument) {
    long t = (long)argument;
    for (;;)
        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++)
                for (int k = 0; k < N; k++) c[t][i][j] += a[t][i][k] * b[t][k][j];
}

int main(void) {
    pthread_t thread;
    for (long t = 0; t < 4; t++) pthread_create(&thread, NULL, multiply, (void *)t);
    for (;;) pause();
}
