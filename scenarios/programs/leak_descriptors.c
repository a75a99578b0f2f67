// Leaks RATE descriptors a second of one KIND after LEVEL seconds, under a soft limit of LIMIT (0: as it is).
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
static void lose(const char *kind) {
    int pair[2];
    if (!strcmp(kind, "file")) (void)!open("/etc/passwd", O_RDONLY);
    if (!strcmp(kind, "folder")) (void)!open("/tmp", O_RDONLY | O_DIRECTORY);
    if (!strcmp(kind, "pipe")) (void)!pipe(pair);
    if (!strcmp(kind, "socket")) (void)!socket(AF_INET, SOCK_STREAM, 0);
    if (!strcmp(kind, "unix")) (void)!socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    if (!strcmp(kind, "eventfd")) (void)!eventfd(0, 0);
    if (!strcmp(kind, "epoll")) (void)!epoll_create1(0);
    if (!strcmp(kind, "memfd")) (void)!memfd_create("lost", 0);
    if (!strcmp(kind, "dup")) (void)!dup(0);
}
int main(int argc, char **argv) {
    double rate = atof(argv[2]), level_s = argc > 3 ? atof(argv[3]) : 0;
    rlim_t soft = argc > 4 ? (rlim_t)atof(argv[4]) : 0;
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    if (soft) limit.rlim_cur = soft;
    if (limit.rlim_cur > limit.rlim_max) limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    usleep((useconds_t)(level_s * 1e6));
    for (;;) {
        lose(argv[1]);
        usleep((useconds_t)(1e6 / rate));
    }
}
