// Sessions that own their listener, which owns its session: counted, and never freed. Argument: bytes a second.
#include <chrono>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <thread>

struct Session {
    std::string text;
    std::function<void()> on_end;
};

int main(int argc, char **argv) {
    double rate = argc > 1 ? std::atof(argv[1]) : 2e6;
    for (;;) {
        for (int i = 0; i < rate / 10 / 2000; i++) {
            auto one = std::make_shared<Session>();
            one->text = std::string(2000, 'x');
            one->on_end = [one] { one->text.clear(); };
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
}
