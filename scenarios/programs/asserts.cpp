// Does small pieces of work for SECONDS, then finds what cannot be: an exception that nobody catches.
#include <chrono>
#include <iostream>
#include <stdexcept>
#include <thread>
#include <vector>

int main(int, char **argv) {
    auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(std::atof(argv[1]));
    while (std::chrono::steady_clock::now() < end) {
        std::cout << "piece of work done" << std::endl;
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    std::vector<int> rows;
    return rows.at(3);
}
