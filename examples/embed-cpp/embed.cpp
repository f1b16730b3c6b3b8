// Two tasks on a git repository, done one after the other by an agent that is itself C++ code.
//
//     embed REPOSITORY
#include "json.hpp"

#include <convoy.hpp>

#include <cstdlib>
#include <fstream>
#include <iostream>

static const char convoy_text[] = R"({name: two files, version: 1, concurrency: 1, adapter: scribe, tasks: [
    {id: one, prompt: Write one.txt}, {id: two, depends_on: [one], prompt: Write two.txt}]})";

// Writes the file that the last word of the prompt names. It is done at once, so it answers before it returns; an
// agent that takes long copies the request, returns, and answers later from any thread.
class scribe : public convoy::agent_adapter {
    void execute(std::string_view request, convoy::completion answer) override {
        const std::string cwd = json::text(json::member(request, "cwd")).value();
        const std::string prompt = json::text(json::member(request, "prompt")).value();
        const char *const blank = " \t\r\n";
        const std::string words = prompt.substr(0, prompt.find_last_not_of(blank) + 1);
        const std::string path = cwd + '/' + words.substr(words.find_last_of(blank) + 1);
        std::ofstream file(path, std::ios::binary);
        if (!(file << prompt).flush()) {
            throw std::runtime_error(path + " could not be written");  // the attempt fails, and says so
        }
        answer.resolve(R"({"outcome":"succeeded"})");
    }
};

static std::string variable(const char *name) {
    const char *const value = std::getenv(name);
    return json::quote(value != nullptr ? value : "");
}

static void embed(const char *repository) {
    convoy::engine_builder builder{repository};
    builder.options("{\"env\":{\"PATH\":" + variable("PATH") + ",\"HOME\":" + variable("HOME") + "}}");
    builder.add_adapter(R"({"name":"scribe"})", std::make_shared<scribe>());
    convoy::engine engine = builder.build();
    convoy::run run = engine.start(convoy_text);
    while (const auto event = run.wait_event()) {
        const std::string type = json::text(json::member(*event, "type")).value();
        // What is stored, without the publishing of the branch, which goes on beside the tasks.
        if (!json::member(*event, "_event_id").empty() && type.rfind("branch_", 0) != 0) {
            const auto task = json::text(json::member(*event, "task_id"));
            std::cout << type << (task ? ' ' + *task : "") << '\n';
        }
    }
    const std::string result = run.wait();
    const auto view = json::member(result, "view"), totals = json::member(view, "totals");
    std::cout << json::text(json::member(view, "status")).value() << ": " << json::member(totals, "done") << " of "
              << json::member(totals, "total") << " tasks on " << json::text(json::member(view, "branch")).value() << '\n';
    engine.shutdown();
}

int main(int argc, char **argv) {
    if (argc != 2) {
        std::cerr << "usage: embed REPOSITORY\n";
        return 2;
    }
    try {
        embed(argv[1]);
    } catch (const std::exception &failure) {
        std::cerr << "embed: " << failure.what() << '\n';
        return 1;
    }
}
