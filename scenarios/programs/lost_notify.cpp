// Readers and a writer that wait for each other's word: one word is lost, and all of them sleep. Argument: seconds before.
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <thread>
#include <vector>

std::mutex guard;
std::condition_variable changed;
bool is_full = false;

int main(int argc, char **argv) {
    auto end = std::chrono::steady_clock::now() + std::chrono::seconds(argc > 1 ? std::atoi(argv[1]) : 10);
    auto turn = [&](bool full) {
        for (;;) {
            std::unique_lock lock(guard);
            changed.wait(lock, [&] { return is_full == full; });
            is_full = !full;
            if (std::chrono::steady_clock::now() < end) changed.notify_all();
            lock.unlock();
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
        }
    };
    std::vector<std::thread> threads;
    threads.emplace_back(turn, false);
    for (int reader = 0; reader < 3; reader++) threads.emplace_back(turn, true);
    for (auto &one : threads) one.join();
}
