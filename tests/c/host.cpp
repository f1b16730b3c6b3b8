// A host in C++17: an agent that throws once, events, and a failing call as an exception.
//
// host REPOSITORY    prints the first thing that does not hold, and exits with 1
#include <convoy.hpp>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <thread>

#define CHECK(condition)                                                                      \
    do {                                                                                      \
        if (!(condition)) {                                                                   \
            std::cerr << __FILE__ << ':' << __LINE__ << ": does not hold: " #condition "\n"; \
            std::exit(1);                                                                     \
        }                                                                                     \
    } while (0)

static std::atomic<int> alive{0}, records{0};

// Writes a file from a thread of its own; throws at the first call.
class scribe : public convoy::agent_adapter {
public:
    scribe() { ++alive; }
    ~scribe() override { --alive; }

    void execute(std::string_view request, convoy::completion answer) override {
        if (++calls_ == 1) {
            throw std::runtime_error("the first call throws");
        }
        const std::string cwd = member(request, "cwd");
        std::thread([cwd, answer] {
            std::ofstream(cwd + "/cpp.txt") << "written in C++\n";
            CHECK(answer.output("writing\n"));
            CHECK(answer.resolve(R"({"outcome": "succeeded"})"));
            CHECK(!answer.resolve(R"({"outcome": "succeeded"})"));
        }).detach();
    }

private:
    static std::string member(std::string_view json, const std::string &name) {
        const std::string pattern = "\"" + name + "\":\"";
        const auto start = json.find(pattern) + pattern.size();
        return std::string(json.substr(start, json.find('"', start) - start));
    }

    std::atomic<int> calls_{0};
};

// A gate that throws at the first call.
class judge : public convoy::host_code {
public:
    void call(std::string_view request, convoy::completion answer) override {
        CHECK(request.find(R"("kind":"gate")") != std::string_view::npos);
        if (++calls_ == 1) {
            throw std::runtime_error("the gate throws");
        }
        CHECK(answer.resolve(R"({"outcome": "pass"})"));
    }

private:
    std::atomic<int> calls_{0};
};

int main(int argc, char **argv) {
    CHECK(argc == 2);
    const std::string spec = "{name: cpp, version: 1, adapter: scribe, defaults: {review: none},"
                             " tasks: [{id: a, prompt: p, max_retries: 2, host_gates: [judge]}]}";
    try {
        convoy::engine_builder{""};
        CHECK(!"an empty path is refused");
    } catch (const convoy::error &error) {
        CHECK(error.status() == CONVOY_INVALID_ARGUMENT && error.message().find("empty") != std::string::npos);
    }
    CHECK(convoy::check_formula("name: f\nspec: {name: n, tasks: [{id: a, prompt: p}]}").find("\"ok\":true") != std::string::npos);
    {
        convoy::engine_builder builder{argv[1]};
        const std::string path = std::getenv("PATH"), home = std::getenv("HOME");
        builder.options(R"({"env": {"PATH": ")" + path + R"(", "HOME": ")" + home +
                        R"(", "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null"}})");
        builder.add_adapter(R"({"name": "scribe"})", std::make_shared<scribe>());
        builder.add_gate("judge", std::make_shared<judge>());
        builder.set_log(CONVOY_LOG_INFO, [](convoy_log_level level, std::string_view record) {
            CHECK(level >= CONVOY_LOG_ERROR && level <= CONVOY_LOG_INFO && record.front() == '{');
            ++records;
            throw std::runtime_error("nobody hears this");
        });
        convoy::engine engine = builder.build();
        try {
            engine.start("tasks: 7");
            CHECK(!"a wrong file is refused");
        } catch (const convoy::error &error) {
            CHECK(error.status() == CONVOY_INVALID_SPEC && error.details().find("\"line\"") != std::string::npos);
        }
        CHECK(engine.plan(spec).find("\"id\":\"a\"") != std::string::npos);
        convoy::run run = engine.start(spec);
        std::atomic<int> woken{0};
        run.on_events([&woken] { ++woken; });
        std::string last;
        bool threw = false, failed = false;
        while (auto event = run.wait_event()) {
            last = *event;
            threw = threw || last.find("the first call throws") != std::string::npos;
            failed = failed || last.find("the gate throws") != std::string::npos;
        }
        CHECK(threw && failed && woken > 0);
        CHECK(last.find("run_ended") != std::string::npos && !run.next_event());
        CHECK(run.wait().find("\"status\":\"done\"") != std::string::npos);
        CHECK(engine.status(run.id()).find("\"published\":true") != std::string::npos);
        CHECK(!engine.is_running(run.id()));
        try {
            engine.pause(run.id());
            CHECK(!"what is over cannot be paused");
        } catch (const convoy::error &error) {
            CHECK(error.status() == CONVOY_STATE);
        }
        CHECK(engine.events(run.id(), 0, 5).front() == '[');
        convoy::run moved = std::move(run);
        CHECK(run.get() == nullptr && moved.first_event_id() > 0);
        moved.on_events(nullptr);
        const std::string report = engine.prune("{\"older_than_ms\":0}");
        CHECK(report.find(moved.id()) != std::string::npos && report.find("\"kept\":[]") != std::string::npos);
        CHECK(engine.list() == "[]" && engine.last_retention() == "null");
        try {
            engine.status(moved.id());
            CHECK(!"it is gone");
        } catch (const convoy::error &error) {
            CHECK(error.status() == CONVOY_NOT_FOUND);
        }
        engine.shutdown();
    }
    // The adapter goes with the engine, on its threads.
    while (alive != 0) {
        std::this_thread::yield();
    }
    while (records == 0) {
        std::this_thread::yield();
    }
    return 0;
}
