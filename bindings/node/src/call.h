// Calls of the library as data, so that they can run on any thread.
#ifndef CONVOY_NODE_CALL_H
#define CONVOY_NODE_CALL_H

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include <convoy.h>

namespace convoy_node {

// What a call gives.
enum class Gives { nothing, text, bytes, flag, number, run, engine };

struct Call;

struct Operation {
    const char *name;
    Gives gives;
    convoy_status (*run)(Call &call);
};

// An error of the library, copied.
struct Failure {
    convoy_status status = CONVOY_OK;
    std::string name, message, chain, details;
};

struct Call {
    static constexpr size_t most_texts = 5;

    const Operation *operation = nullptr;
    // In. The handle is a number that the library checks; it may have been freed meanwhile.
    void *handle = nullptr;
    std::array<std::optional<std::string>, most_texts> texts;
    uint64_t number = 0;
    bool has_number = false;
    uint32_t second = 0;

    // Out. What nobody took is freed with the call.
    convoy_string text = {nullptr, 0};
    void *made = nullptr;
    int32_t flag = 0;
    uint64_t count = 0;
    Failure failure;

    Call() = default;
    Call(const Call &) = delete;
    Call &operator=(const Call &) = delete;
    virtual ~Call();

    // Blocks for as long as the library does.
    virtual void perform();

    // A text as the library wants it.
    const char *data(size_t at) const { return texts[at] ? texts[at]->data() : nullptr; }
    size_t len(size_t at) const { return texts[at] ? texts[at]->size() : 0; }

    // Whether the number is one for 32 bits: lib/ refuses any other by its name, and here none is cut.
    bool is_small() const { return number <= UINT32_MAX; }

    // The number as the longest time to wait, in milliseconds; none is as long as it takes.
    int64_t limit() const { return has_number ? static_cast<int64_t>(number) : -1; }

    convoy_error *err = nullptr;

  protected:
    // Takes the error over, if there is one.
    void note(convoy_status status);
};

// NULL when there is none of this name.
const Operation *operation_named(const std::string &name);

}  // namespace convoy_node

#endif
