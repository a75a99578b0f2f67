// Renders pictures in a large buffer that it frees, and keeps a thumbnail of each: a leak under a saw-tooth.
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

int main(int, char **argv) {
    const double rate = atof(argv[1]), period_s = atof(argv[2]);
    std::vector<std::string> thumbnails;
    for (;;) {
        std::vector<std::unique_ptr<char[]>> rows;
        for (int row = 0; row < 20; row++) {
            rows.push_back(std::make_unique<char[]>(4 << 20));
            memset(rows.back().get(), row, 4 << 20);
            thumbnails.emplace_back(size_t(rate * period_s / 20), 't');
            std::this_thread::sleep_for(std::chrono::duration<double>(period_s / 20));
        }
    }
}
