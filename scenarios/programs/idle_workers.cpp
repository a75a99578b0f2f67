// Works with a pool for a while, then has nothing to do: workers wait at conditions of their own, main for a signal.
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <unistd.h>
#include <vector>

struct Worker {
    std::mutex mutex;
    std::condition_variable wakes;
    std::deque<std::function<void()>> jobs;
    void run() {
        for (;;) {
            std::unique_lock lock(mutex);
            wakes.wait(lock, [&] { return !jobs.empty(); });
            auto job = std::move(jobs.front());
            jobs.pop_front();
            lock.unlock();
            job();
        }
    }
};

int main() {
    std::vector<std::unique_ptr<Worker>> workers;
    std::vector<std::thread> threads;
    for (int n = 0; n < 6; n++) {
        workers.push_back(std::make_unique<Worker>());
        threads.emplace_back([worker = workers.back().get()] { worker->run(); });
    }
    for (int turn = 0; turn < 200; turn++) {
        Worker &one = *workers[turn % workers.size()];
        {
            std::lock_guard lock(one.mutex);
            one.jobs.emplace_back([] { for (volatile int n = 0; n < 2000000; n++) {} });
        }
        one.wakes.notify_one();
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    pause();
}
