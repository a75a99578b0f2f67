// PROCESSES call the kernel without end: KIND is stat, clock, null (writes to /dev/null), zero (reads /dev/zero), poll or yield.
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(int argc, char **argv) {
    for (int i = argc > 2 ? atoi(argv[2]) : 1; i > 1; i--)
        if (fork() == 0) break;
    char buffer[4096] = {0};
    const char *kind = argc > 1 ? argv[1] : "stat";
    int null = open("/dev/null", O_WRONLY), zero = open("/dev/zero", O_RDONLY);
    struct stat info;
    struct pollfd none = {.fd = zero, .events = POLLPRI};
    for (;;) {
        if (!strcmp(kind, "stat")) (void)!stat("/etc/passwd", &info);
        if (!strcmp(kind, "clock")) syscall(SYS_getppid);
        if (!strcmp(kind, "null")) (void)!write(null, buffer, sizeof buffer);
        if (!strcmp(kind, "zero")) (void)!read(zero, buffer, sizeof buffer);
        if (!strcmp(kind, "poll")) (void)!poll(&none, 1, 0);
        if (!strcmp(kind, "yield")) sched_yield();
    }
}
