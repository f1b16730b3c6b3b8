// Reads all events of a convoy that has ended, as lists.
//
// read REPOSITORY CONVOY    prints how many there were and how many seconds that took
#include <convoy.hpp>

#include <chrono>
#include <cstdlib>
#include <iostream>

static std::string variable(const char *name) {
    const char *const value = std::getenv(name);
    return std::string("\"") + name + "\":\"" + (value != nullptr ? value : "") + '"';
}

// How many stored events a text holds: each begins with its number.
static long events_in(std::string_view json) {
    const std::string_view begin = "{\"_event_id\":";
    long count = 0;
    for (std::size_t at = 0; (at = json.find(begin, at)) != std::string_view::npos; at += begin.size()) {
        count++;
    }
    return count;
}

static void read(const char *repository, const char *name) {
    convoy::engine_builder builder{repository};
    builder.options("{\"env\":{" + variable("PATH") + ',' + variable("HOME") + "}}");
    convoy::engine engine = builder.build();
    convoy::run run = engine.publish(name);
    run.wait();
    run.events_after(0);
    long count = 0;
    const auto began = std::chrono::steady_clock::now();
    while (const auto events = run.wait_events(1024)) {
        count += events_in(*events);
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    std::cout << "run::wait_events\t" << count << '\t' << took.count() << '\n';
    engine.shutdown();
}

int main(int argc, char **argv) {
    if (argc != 3) {
        std::cerr << "usage: read REPOSITORY CONVOY\n";
        return 2;
    }
    try {
        read(argv[1], argv[2]);
    } catch (const std::exception &failure) {
        std::cerr << "read: " << failure.what() << '\n';
        return 1;
    }
}
