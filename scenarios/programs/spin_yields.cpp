// Threads that wait for a flag which nobody sets, and yield at each turn.
#include <atomic>
#include <thread>
#include <vector>

std::atomic<bool> is_done{false};

int main() {
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; i++)
        threads.emplace_back([] { while (!is_done) std::this_thread::yield(); });
    for (auto &one : threads) one.join();
}
