// Two tables behind std::shared_mutex: who reads one writes the other meanwhile, after ONSET seconds in both directions.
#include <chrono>
#include <cstdlib>
#include <mutex>
#include <shared_mutex>
#include <thread>

using namespace std::chrono_literals;
static std::shared_mutex prices, stock;
static std::chrono::steady_clock::time_point onset;

static void copies(std::shared_mutex &from, std::shared_mutex &to) {
    for (;;) {
        bool is_late = std::chrono::steady_clock::now() > onset;
        {
            std::shared_lock reads(is_late ? from : prices);
            std::this_thread::sleep_for(is_late ? 200ms : 1ms);
            std::unique_lock writes(is_late ? to : stock);
            for (volatile int n = 0; n < 200000; n++) {}
        }
        std::this_thread::sleep_for(30ms);
    }
}

int main(int, char **argv) {
    onset = std::chrono::steady_clock::now() + std::chrono::seconds(atoi(argv[1]));
    std::thread one(copies, std::ref(prices), std::ref(stock)), other(copies, std::ref(stock), std::ref(prices));
    one.join();
    other.join();
}
