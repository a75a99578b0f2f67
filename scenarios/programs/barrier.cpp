// Four threads meet at a barrier after each step; one of them leaves for good without a word. Argument: seconds before.
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <thread>
#include <vector>

std::mutex guard;
std::condition_variable all_here;
int here = 0, step = 0;

int main(int argc, char **argv) {
    auto end = std::chrono::steady_clock::now() + std::chrono::seconds(argc > 1 ? std::atoi(argv[1]) : 10);
    auto work = [&](bool may_leave) {
        for (;;) {
            std::this_thread::sleep_for(std::chrono::milliseconds(30));
            if (may_leave && std::chrono::steady_clock::now() > end) return;
            std::unique_lock lock(guard);
            int own = step;
            if (++here == 4) {
                here = 0;
                step++;
                all_here.notify_all();
            }
            all_here.wait(lock, [&] { return step != own; });
        }
    };
    std::vector<std::thread> threads;
    for (int one = 0; one < 4; one++) threads.emplace_back(work, one == 3);
    for (auto &one : threads) one.join();
}
