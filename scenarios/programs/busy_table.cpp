// Eight threads read and write one table behind a std::shared_mutex, as fast as a pause of a millisecond lets them.
#include <chrono>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <thread>
#include <vector>

int main() {
    std::map<int, int> table;
    std::shared_mutex mutex;
    std::vector<std::thread> threads;
    for (int id = 0; id < 8; id++)
        threads.emplace_back([&, id] {
            for (int turn = 0;; turn++) {
                if (id < 2) {
                    std::unique_lock lock(mutex);
                    table[turn % 1000] = id;
                    std::this_thread::sleep_for(std::chrono::milliseconds(2));
                } else {
                    std::shared_lock lock(mutex);
                    table.find(turn % 1000);
                }
                std::this_thread::sleep_for(std::chrono::milliseconds(5));
            }
        });
    for (auto &thread : threads) thread.join();
}
