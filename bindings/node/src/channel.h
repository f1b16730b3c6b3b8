// The way from any thread to the JavaScript thread of one environment (the main thread, or a worker).
#ifndef CONVOY_NODE_CHANNEL_H
#define CONVOY_NODE_CHANNEL_H

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include <node_api.h>

#include "call.h"

namespace convoy_node {

// What code of the host is asked for. The numbers are known to lib/host.js, too.
enum class Question { execute = 0, review = 1, prepare = 2, advance = 3, settle = 4, gate = 5, prompt = 6, hook = 7 };

// One thing that the JavaScript thread is told.
struct Message {
    enum class Kind { wake = 0, ask = 1, cancel = 2, done = 3, log = 4 };

    Kind kind;
    uint32_t key = 0;                       // wake: of the run; ask, log: of the host
    Question question = Question::execute;  // ask
    uint64_t id = 0;                        // ask, cancel: of the completion
    std::string text;                       // ask: the request; log: the record
    std::unique_ptr<Call> call;             // done: a call that ran on a thread of its own
    napi_deferred deferred = nullptr;       // done
};

// Shared by the environment and everything that the library keeps of it. Once closed, which happens while the
// environment still lives, nothing goes through any more, and the questions of the engine are answered here: the
// engine then needs no JavaScript to come to its end.
class Channel {
  public:
    explicit Channel(napi_threadsafe_function function) : function_(function) {}

    // Any thread. False when it is closed.
    bool post(std::unique_ptr<Message> message);

    // A question of the engine; any thread.
    void ask(uint32_t host, Question question, const char *request, size_t len, uint64_t id);
    // The engine no longer wants the answer; any thread.
    void cancel(uint64_t id);
    // Somebody answered.
    void answered(uint64_t id);

    // A record of the log; a thread of the library that does nothing else. Waits while many are on their way: what comes
    // meanwhile waits in the library, which counts what it cannot keep.
    void tell(uint32_t host, const char *record, size_t len);
    // JavaScript has taken one.
    void told();

    // The JavaScript thread; more than once does nothing.
    void close();

  private:
    struct Open {
        Question question;
        bool cancelled;
    };

    static constexpr size_t most_records = 64;

    std::mutex lock_;
    std::condition_variable room_;
    size_t records_ = 0;
    napi_threadsafe_function function_;
    bool closed_ = false;
    std::map<uint64_t, Open> open_;
};

}  // namespace convoy_node

#endif
