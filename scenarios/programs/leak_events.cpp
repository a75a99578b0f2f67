// A loop that makes a timer, an event or a watch for each job and forgets one in four of them.
#include <chrono>
#include <cstdlib>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/timerfd.h>
#include <thread>
#include <unistd.h>

int main(int, char **argv) {
    const double rate = atof(argv[1]);
    for (unsigned job = 0;; job++) {
        int one = job % 3 == 0   ? eventfd(0, EFD_CLOEXEC)
                  : job % 3 == 1 ? timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC)
                                 : inotify_init1(IN_CLOEXEC);
        std::this_thread::sleep_for(std::chrono::duration<double>(1 / rate / 4));
        if (job % 4 != 0) close(one);
    }
}
