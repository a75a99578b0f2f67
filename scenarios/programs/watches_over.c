// A supervisor that logs each end and waits twice as long after it, up to MAX seconds. Arguments: max, program.
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
int main(int argc, char **argv) {
    (void)argc;
    double max = atof(argv[1]);
    for (double pause = 0.5;; pause = pause * 2 < max ? pause * 2 : max) {
        int status;
        pid_t child = fork();
        if (child == 0) {
            execvp(argv[2], argv + 2);
            _exit(127);
        }
        waitpid(child, &status, 0);
        fprintf(stderr, "worker %d ended: status %d, again in %.1f s\n", child, status, pause);
        usleep((useconds_t)(pause * 1e6));
    }
}
