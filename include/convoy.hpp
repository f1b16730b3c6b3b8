/**
 * convoy.hpp - Convoy for C++17: objects that free themselves, failures as exceptions. Header only, over convoy.h.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 *
 *     convoy::engine_builder builder{"/path/to/repository"};
 *     builder.options(R"({"env": {"PATH": "/usr/bin:/bin"}})");
 *     builder.add_adapter(R"({"name": "scribe"})", std::make_shared<my_agent>());
 *     convoy::engine engine = builder.build();
 *     convoy::run run = engine.start(spec);
 *     while (auto event = run.wait_event()) std::cout << *event << '\n';
 *     std::cout << run.wait() << '\n';
 *
 * What is said in convoy.h of each function (threads, failures, the JSON) holds here; this header adds: objects are
 * moved, not copied; a failing call throws convoy::error; an exception out of a function of an agent, a reviewer or
 * a merge queue rejects its completion with the text of the exception.
 */
#ifndef CONVOY_HPP
#define CONVOY_HPP

#include "convoy.h"

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace convoy {

/** A call that failed. `what()` is the message with its causes. */
class error : public std::runtime_error {
public:
    /** Takes the error object over; NULL says no more than the status. */
    error(convoy_status status, convoy_error *object)
        : std::runtime_error(object != nullptr ? convoy_error_chain(object, nullptr) : convoy_status_name(status)),
          status_(status),
          message_(object != nullptr ? convoy_error_message(object, nullptr) : convoy_status_name(status)),
          details_(convoy_error_details(object, nullptr)) {
        convoy_error_free(object);
    }

    /** Which failure. */
    convoy_status status() const noexcept { return status_; }
    /** The message without its causes. */
    const std::string &message() const noexcept { return message_; }
    /** JSON for programs, or empty. */
    const std::string &details() const noexcept { return details_; }

private:
    convoy_status status_;
    std::string message_;
    std::string details_;
};

namespace detail {

/** A text of the library as one of the program's own. */
inline std::string take(convoy_string &text) {
    struct freed {
        convoy_string &text;
        ~freed() { convoy_string_free(&text); }
    } guard{text};
    return std::string(text.data, text.len);
}

/** Makes a call whose last argument is where its error goes; throws it. */
template <typename Call>
void must(Call &&call) {
    convoy_error *object = nullptr;
    const convoy_status status = call(&object);
    if (status != CONVOY_OK) {
        throw error(status, object);
    }
}

/** The same, where the call gives a text. */
template <typename Call>
std::string text(Call &&call) {
    convoy_string out{nullptr, 0};
    must([&](convoy_error **err) { return call(&out, err); });
    return take(out);
}

/** The same, where there may be nothing (yet). */
template <typename Call>
std::optional<std::string> text_if(Call &&call) {
    convoy_string out{nullptr, 0};
    convoy_error *object = nullptr;
    const convoy_status status = call(&out, &object);
    if (status == CONVOY_EMPTY || status == CONVOY_TIMED_OUT || status == CONVOY_END) {
        return std::nullopt;
    }
    if (status != CONVOY_OK) {
        throw error(status, object);
    }
    return take(out);
}

/** Frees a handle of the library. */
template <typename Handle, void (*Free)(Handle *)>
struct free_handle {
    void operator()(Handle *handle) const noexcept { Free(handle); }
};

template <typename Handle, void (*Free)(Handle *)>
using owned = std::unique_ptr<Handle, free_handle<Handle, Free>>;

/** Milliseconds for the library: none is "as long as it takes". */
inline std::int64_t milliseconds(std::optional<std::chrono::milliseconds> limit) {
    return limit ? static_cast<std::int64_t>(limit->count() < 0 ? 0 : limit->count()) : -1;
}

/** No text at all, where that is something else than an empty one. */
inline const char *data(std::optional<std::string_view> text) { return text ? text->data() : nullptr; }
inline std::size_t size(std::optional<std::string_view> text) { return text ? text->size() : 0; }

}  // namespace detail

/** Throws unless the loaded library has the interface that the program was compiled against. */
inline void check_abi() {
    if (convoy_abi_version() != CONVOY_ABI_VERSION) {
        throw std::runtime_error("libconvoy has interface " + std::to_string(convoy_abi_version()) +
                                 ", the program was compiled against " + std::to_string(CONVOY_ABI_VERSION));
    }
}

/** The problems of a convoy file, as JSON: see convoy_check_spec. */
inline std::string check_spec(std::string_view spec) {
    return detail::text([&](convoy_string *out, convoy_error **err) {
        return convoy_check_spec(spec.data(), spec.size(), out, err);
    });
}

/** What a formula becomes with the values of its variables (a JSON object), and its problems: see convoy_check_formula. */
inline std::string check_formula(std::string_view formula, std::optional<std::string_view> values = std::nullopt) {
    return detail::text([&](convoy_string *out, convoy_error **err) {
        return convoy_check_formula(formula.data(), formula.size(), detail::data(values), detail::size(values), out, err);
    });
}

/** A question that waits for its answer. A number: to be copied and passed on, to any thread. */
class completion {
public:
    explicit completion(std::uint64_t id) noexcept : id_(id) {}

    std::uint64_t id() const noexcept { return id_; }

    /** Answers with JSON. False: nobody waits for it any more. */
    bool resolve(std::string_view result) const {
        return told([&](convoy_error **err) { return convoy_completion_resolve(id_, result.data(), result.size(), err); });
    }
    /** Answers that it failed. False: nobody waits for it any more. */
    bool reject(std::string_view message) const {
        return told([&](convoy_error **err) { return convoy_completion_reject(id_, message.data(), message.size(), err); });
    }
    /** Hands a piece of output over (1: standard output, 2: standard error). False: nobody waits for it any more. */
    bool output(std::string_view bytes, int stream = 1) const {
        return told([&](convoy_error **err) {
            return convoy_completion_output(id_, stream, reinterpret_cast<const std::uint8_t *>(bytes.data()),
                                            bytes.size(), err);
        });
    }
    /** Names the session that the agent works in. False: nobody waits for it any more. */
    bool session(std::string_view id) const {
        return told([&](convoy_error **err) { return convoy_completion_session(id_, id.data(), id.size(), err); });
    }
    /** Names the process that the agent is. False: nobody waits for it any more. */
    bool started(std::uint32_t pid) const {
        return told([&](convoy_error **err) { return convoy_completion_started(id_, pid, err); });
    }

private:
    template <typename Call>
    static bool told(Call &&call) {
        convoy_error *object = nullptr;
        const convoy_status status = call(&object);
        if (status == CONVOY_NO_COMPLETION) {
            convoy_error_free(object);
            return false;
        }
        if (status != CONVOY_OK) {
            throw error(status, object);
        }
        return true;
    }

    std::uint64_t id_;
};

/** An agent that is code of the program: see convoy_agent_adapter. */
class agent_adapter {
public:
    virtual ~agent_adapter() = default;
    /** Begins to run an agent. Return soon; answer the completion now or later. What is thrown rejects it. */
    virtual void execute(std::string_view request, completion answer) = 0;
    /** Asks to end the agent soon. */
    virtual void cancel(completion) {}
};

/** A reviewer that is code of the program: see convoy_review_runner. */
class review_runner {
public:
    virtual ~review_runner() = default;
    /** Begins to judge a piece of work. As agent_adapter::execute. */
    virtual void review(std::string_view request, completion answer) = 0;
    /** Says that the judgement is no longer needed. */
    virtual void cancel(completion) {}
};

/** A merge queue that is code of the program: see convoy_merge_queue. */
class merge_queue {
public:
    virtual ~merge_queue() = default;
    /** Makes the landing commit. As agent_adapter::execute. */
    virtual void prepare(std::string_view request, completion answer) = 0;
    /** Moves the ref. */
    virtual void advance(std::string_view request, completion answer) = 0;
    /** Looks whether the ref reaches the commit. */
    virtual void settle(std::string_view request, completion answer) = 0;
    /** Says that the answer is no longer needed. */
    virtual void cancel(completion) {}
};

/** A gate, a prompt source or a hook that is code of the program: see convoy_host_code. */
class host_code {
public:
    virtual ~host_code() = default;
    /** Begins to judge, to give a text, or to run. As agent_adapter::execute. */
    virtual void call(std::string_view request, completion answer) = 0;
    /** Says that the answer is no longer needed. */
    virtual void cancel(completion) {}
};

namespace detail {

/** Calls a member of the program's object; what it throws rejects the completion. */
template <typename Object, void (Object::*Member)(std::string_view, completion)>
void begin(void *user_data, const char *request, std::size_t len, std::uint64_t id) noexcept {
    std::string thrown = "an exception that is no std::exception";
    try {
        ((**static_cast<std::shared_ptr<Object> *>(user_data)).*Member)(std::string_view(request, len), completion(id));
        return;
    } catch (const std::exception &exception) {
        thrown = exception.what();
    } catch (...) {
    }
    convoy_completion_reject(id, thrown.data(), thrown.size(), nullptr);
}

/** Nobody hears what is thrown here. */
template <typename Object>
void cancel(void *user_data, std::uint64_t id) noexcept {
    try {
        (**static_cast<std::shared_ptr<Object> *>(user_data)).cancel(completion(id));
    } catch (...) {
    }
}

template <typename Object>
void destroy(void *user_data) noexcept {
    delete static_cast<Object *>(user_data);
}

}  // namespace detail

/** A run of a convoy. Interrupted when it is destroyed before its end. */
class run {
public:
    /** Takes a handle over. */
    explicit run(convoy_run *handle) noexcept : handle_(handle) {}

    /** The handle, which stays the object's. */
    convoy_run *get() const noexcept { return handle_.get(); }

    /** The id of the convoy. */
    std::string id() const {
        return detail::text([&](convoy_string *out, convoy_error **err) { return convoy_run_id(get(), out, err); });
    }
    /** The number of the event with which it began. */
    std::uint64_t first_event_id() const {
        std::uint64_t number = 0;
        detail::must([&](convoy_error **err) { return convoy_run_first_event_id(get(), &number, err); });
        return number;
    }

    /** Has the events begin behind this one (0: with the first of the convoy). Before any other function about events. */
    void events_after(std::uint64_t event_id) const {
        detail::must([&](convoy_error **err) { return convoy_run_events_after(get(), event_id, err); });
    }
    /** The next event, if there is one now. */
    std::optional<std::string> next_event() const {
        return detail::text_if([&](convoy_string *out, convoy_error **err) { return convoy_run_next_event(get(), out, err); });
    }
    /** The next event; none when the time is over, or after the last. */
    std::optional<std::string> wait_event(std::optional<std::chrono::milliseconds> limit = std::nullopt) const {
        return detail::text_if([&](convoy_string *out, convoy_error **err) {
            return convoy_run_wait_event(get(), detail::milliseconds(limit), out, err);
        });
    }
    /** The next events that are there now, as a JSON list. */
    std::optional<std::string> next_events(std::size_t max) const {
        return detail::text_if(
            [&](convoy_string *out, convoy_error **err) { return convoy_run_next_events(get(), max, out, err); });
    }
    /** The same, waiting for the first. */
    std::optional<std::string> wait_events(std::size_t max,
                                           std::optional<std::chrono::milliseconds> limit = std::nullopt) const {
        return detail::text_if([&](convoy_string *out, convoy_error **err) {
            return convoy_run_wait_events(get(), max, detail::milliseconds(limit), out, err);
        });
    }
    /** A descriptor that is readable as long as there are events. */
    int event_fd() const {
        std::int32_t descriptor = -1;
        detail::must([&](convoy_error **err) { return convoy_run_event_fd(get(), &descriptor, err); });
        return descriptor;
    }
    /** Has a function called when there are events to read, as convoy_run_set_wake says; an empty one takes it away. */
    void on_events(std::function<void()> wake) const {
        using function = std::function<void()>;
        if (!wake) {
            detail::must([&](convoy_error **err) { return convoy_run_set_wake(get(), nullptr, nullptr, nullptr, err); });
            return;
        }
        auto kept = std::make_unique<function>(std::move(wake));
        const auto call = [](void *user_data) {
            try {
                (*static_cast<function *>(user_data))();
            } catch (...) {  // nobody could hear of it
            }
        };
        // From here on it is the library's, which destroys it also when this fails.
        function *given = kept.release();
        detail::must([&](convoy_error **err) {
            return convoy_run_set_wake(get(), call, given, detail::destroy<function>, err);
        });
    }

    /** Waits for the end; its result as JSON. */
    std::string wait() const {
        return detail::text([&](convoy_string *out, convoy_error **err) { return convoy_run_wait(get(), -1, out, err); });
    }
    /** The same; none when the time is over. */
    std::optional<std::string> wait(std::chrono::milliseconds limit) const {
        return detail::text_if([&](convoy_string *out, convoy_error **err) {
            return convoy_run_wait(get(), detail::milliseconds(limit), out, err);
        });
    }

    void pause() const {
        detail::must([&](convoy_error **err) { return convoy_run_pause(get(), err); });
    }
    void unpause() const {
        detail::must([&](convoy_error **err) { return convoy_run_unpause(get(), err); });
    }
    void cancel() const {
        detail::must([&](convoy_error **err) { return convoy_run_cancel(get(), err); });
    }
    void interrupt(std::optional<std::string_view> reason = std::nullopt) const {
        detail::must([&](convoy_error **err) {
            return convoy_run_interrupt(get(), detail::data(reason), detail::size(reason), err);
        });
    }

private:
    detail::owned<convoy_run, convoy_run_free> handle_;
};

/**
 * An engine for one repository. The end of the object frees it, and waits for nothing: call shutdown() before the process ends, or
 * agents that are programs go on working.
 */
class engine {
    using maybe = std::optional<std::string_view>;
    using limit = std::optional<std::chrono::milliseconds>;
    using answer = std::optional<std::string>;

public:
    /** Takes a handle over. */
    explicit engine(convoy_engine *handle) noexcept : handle_(handle) {}

    /** The handle, which stays the object's. */
    convoy_engine *get() const noexcept { return handle_.get(); }

    /** Interrupts every run and waits for their ends. */
    void shutdown() const {
        detail::must([&](convoy_error **err) { return convoy_engine_shutdown(get(), err); });
    }
    std::string state_dir() const {
        return detail::text([&](convoy_string *out, convoy_error **err) { return convoy_engine_state_dir(get(), out, err); });
    }

    /** What start would run, as JSON. */
    std::string plan(std::string_view spec, maybe options = std::nullopt) const {
        return detail::text([&](convoy_string *out, convoy_error **err) {
            return convoy_engine_plan(get(), spec.data(), spec.size(), detail::data(options), detail::size(options), out,
                                      err);
        });
    }
    run start(std::string_view spec, maybe options = std::nullopt) const {
        return begin([&](convoy_run **out, convoy_error **err) {
            return convoy_engine_start(get(), spec.data(), spec.size(), detail::data(options), detail::size(options), out,
                                       err);
        });
    }
    run resume(maybe convoy = std::nullopt) const {
        return begin([&](convoy_run **out, convoy_error **err) {
            return convoy_engine_resume(get(), detail::data(convoy), detail::size(convoy), out, err);
        });
    }
    /** `tasks`: a JSON list of ids; none for all that are not done. */
    run retry(std::string_view convoy, maybe tasks = std::nullopt) const {
        return begin([&](convoy_run **out, convoy_error **err) {
            return convoy_engine_retry(get(), convoy.data(), convoy.size(), detail::data(tasks), detail::size(tasks), out,
                                       err);
        });
    }
    run publish(std::string_view convoy) const {
        return begin([&](convoy_run **out, convoy_error **err) {
            return convoy_engine_publish(get(), convoy.data(), convoy.size(), out, err);
        });
    }

    std::string list() const {
        return detail::text([&](convoy_string *out, convoy_error **err) { return convoy_engine_list(get(), out, err); });
    }
    std::string status(std::string_view convoy) const { return look<convoy_engine_status>(convoy); }
    std::string dead_letters(std::string_view convoy) const { return look<convoy_engine_dead_letters>(convoy); }
    std::string disputes(std::string_view convoy) const { return look<convoy_engine_disputes>(convoy); }
    bool is_running(std::string_view convoy) const {
        std::int32_t running = 0;
        detail::must([&](convoy_error **err) {
            return convoy_engine_is_running(get(), convoy.data(), convoy.size(), &running, err);
        });
        return running != 0;
    }
    /** Stored events with a number above `after`, as a JSON list. */
    std::string events(std::string_view convoy, std::uint64_t after, std::size_t max) const {
        return detail::text([&](convoy_string *out, convoy_error **err) {
            return convoy_engine_events(get(), convoy.data(), convoy.size(), after, max, out, err);
        });
    }
    /** Writes every recorded event to a new file, one JSON object a line, and gives their number. */
    std::uint64_t write_events(std::string_view convoy, std::string_view path) const {
        std::uint64_t written = 0;
        detail::must([&](convoy_error **err) {
            return convoy_engine_export(get(), convoy.data(), convoy.size(), path.data(), path.size(), &written, err);
        });
        return written;
    }
    /** Deletes convoys that have ended: `options` and what is given are JSON objects, as those of `convoy_engine_prune`. */
    std::string prune(std::string_view options) const {
        return detail::text([&](convoy_string *out, convoy_error **err) {
            return convoy_engine_prune(get(), options.data(), options.size(), out, err);
        });
    }
    /** What was done last to keep to the builder's options about that: JSON as `convoy_engine_last_retention` gives it. */
    std::string last_retention() const {
        return detail::text(
            [&](convoy_string *out, convoy_error **err) { return convoy_engine_last_retention(get(), out, err); });
    }
    /** `number`: from 1; 0 is the newest. */
    std::string attempt(std::string_view convoy, std::string_view task, std::uint32_t number = 0) const {
        return detail::text([&](convoy_string *out, convoy_error **err) {
            return convoy_engine_attempt(get(), convoy.data(), convoy.size(), task.data(), task.size(), number, out, err);
        });
    }
    std::string log_path(std::string_view convoy, std::string_view task, std::uint32_t number = 0) const {
        return detail::text([&](convoy_string *out, convoy_error **err) {
            return convoy_engine_log_path(get(), convoy.data(), convoy.size(), task.data(), task.size(), number, out, err);
        });
    }
    /** Any bytes. */
    std::string artifact(std::string_view convoy, std::string_view task, std::string_view name) const {
        return detail::text([&](convoy_string *out, convoy_error **err) {
            return convoy_engine_artifact(get(), convoy.data(), convoy.size(), task.data(), task.size(), name.data(),
                                          name.size(), out, err);
        });
    }

    /** Asks whoever runs the convoy, as the ones below do, and gives the answer as JSON: none when `time` is over before
        it is known (the request was sent). A refusal is thrown (CONVOY_STATE). */
    answer pause(std::string_view convoy, limit time = std::nullopt) const { return ask<convoy_engine_pause>(convoy, time); }
    answer unpause(std::string_view convoy, limit time = std::nullopt) const {
        return ask<convoy_engine_unpause>(convoy, time);
    }
    answer cancel(std::string_view convoy, limit time = std::nullopt) const { return ask<convoy_engine_cancel>(convoy, time); }
    answer approve(std::string_view convoy, std::string_view task, maybe tree = std::nullopt, maybe reason = std::nullopt,
                   limit time = std::nullopt) const {
        return detail::text_if([&](convoy_string *out, convoy_error **err) {
            return convoy_engine_approve(get(), convoy.data(), convoy.size(), task.data(), task.size(), detail::data(tree),
                                         detail::size(tree), detail::data(reason), detail::size(reason),
                                         detail::milliseconds(time), out, err);
        });
    }
    answer reject(std::string_view convoy, std::string_view task, maybe reason = std::nullopt,
                  limit time = std::nullopt) const {
        return detail::text_if([&](convoy_string *out, convoy_error **err) {
            return convoy_engine_reject(get(), convoy.data(), convoy.size(), task.data(), task.size(), detail::data(reason),
                                        detail::size(reason), detail::milliseconds(time), out, err);
        });
    }
    answer skip(std::string_view convoy, std::string_view task, maybe reason = std::nullopt,
                limit time = std::nullopt) const {
        return detail::text_if([&](convoy_string *out, convoy_error **err) {
            return convoy_engine_skip(get(), convoy.data(), convoy.size(), task.data(), task.size(), detail::data(reason),
                                      detail::size(reason), detail::milliseconds(time), out, err);
        });
    }
    answer accept(std::string_view convoy, std::string_view task, std::string_view revision, maybe reason = std::nullopt,
                  limit time = std::nullopt) const {
        return detail::text_if([&](convoy_string *out, convoy_error **err) {
            return convoy_engine_accept(get(), convoy.data(), convoy.size(), task.data(), task.size(), revision.data(),
                                        revision.size(), detail::data(reason), detail::size(reason),
                                        detail::milliseconds(time), out, err);
        });
    }
    /** The key of the request. */
    std::string inject(std::string_view convoy, std::string_view tasks, std::string_view source,
                       maybe key = std::nullopt) const {
        return detail::text([&](convoy_string *out, convoy_error **err) {
            return convoy_engine_inject(get(), convoy.data(), convoy.size(), tasks.data(), tasks.size(), source.data(),
                                        source.size(), detail::data(key), detail::size(key), out, err);
        });
    }
    void resolve_dead_letter(std::string_view convoy, std::string_view id, std::string_view resolution) const {
        detail::must([&](convoy_error **err) {
            return convoy_engine_resolve_dead_letter(get(), convoy.data(), convoy.size(), id.data(), id.size(),
                                                     resolution.data(), resolution.size(), err);
        });
    }
    void resolve_dispute(std::string_view convoy, std::string_view id, std::string_view resolution) const {
        detail::must([&](convoy_error **err) {
            return convoy_engine_resolve_dispute(get(), convoy.data(), convoy.size(), id.data(), id.size(),
                                                 resolution.data(), resolution.size(), err);
        });
    }

private:
    template <typename Call>
    static run begin(Call &&call) {
        convoy_run *handle = nullptr;
        detail::must([&](convoy_error **err) { return call(&handle, err); });
        return run(handle);
    }
    template <auto Function>
    std::string look(std::string_view convoy) const {
        return detail::text([&](convoy_string *out, convoy_error **err) {
            return Function(get(), convoy.data(), convoy.size(), out, err);
        });
    }
    template <auto Function>
    answer ask(std::string_view convoy, limit time) const {
        return detail::text_if([&](convoy_string *out, convoy_error **err) {
            return Function(get(), convoy.data(), convoy.size(), detail::milliseconds(time), out, err);
        });
    }

    detail::owned<convoy_engine, convoy_engine_free> handle_;
};

/** What an engine is to have. */
class engine_builder {
public:
    /** For the repository that this path is in. Throws when the loaded library is of another interface. */
    explicit engine_builder(std::string_view repository) {
        check_abi();
        convoy_engine_builder *handle = nullptr;
        detail::must([&](convoy_error **err) {
            return convoy_engine_builder_new(repository.data(), repository.size(), &handle, err);
        });
        handle_.reset(handle);
    }

    /** The handle, which stays the object's. */
    convoy_engine_builder *get() const noexcept { return handle_.get(); }

    /** All options at once, as JSON: see convoy_engine_builder_set_options. */
    engine_builder &options(std::string_view json) {
        detail::must([&](convoy_error **err) {
            return convoy_engine_builder_set_options(get(), json.data(), json.size(), err);
        });
        return *this;
    }
    /** An agent that is code of the program; `description` as for convoy_engine_builder_add_adapter. */
    engine_builder &add_adapter(std::string_view description, std::shared_ptr<agent_adapter> adapter) {
        convoy_agent_adapter table{};
        fill(table, std::move(adapter));
        table.execute = detail::begin<agent_adapter, &agent_adapter::execute>;
        detail::must([&](convoy_error **err) {
            return convoy_engine_builder_add_adapter(get(), description.data(), description.size(), &table, err);
        });
        return *this;
    }
    engine_builder &set_review_runner(std::string_view description, std::shared_ptr<review_runner> runner) {
        convoy_review_runner table{};
        fill(table, std::move(runner));
        table.review = detail::begin<review_runner, &review_runner::review>;
        detail::must([&](convoy_error **err) {
            return convoy_engine_builder_set_review_runner(get(), description.data(), description.size(), &table, err);
        });
        return *this;
    }
    engine_builder &set_merge_queue(std::shared_ptr<merge_queue> queue) {
        convoy_merge_queue table{};
        fill(table, std::move(queue));
        table.prepare = detail::begin<merge_queue, &merge_queue::prepare>;
        table.advance = detail::begin<merge_queue, &merge_queue::advance>;
        table.settle = detail::begin<merge_queue, &merge_queue::settle>;
        detail::must([&](convoy_error **err) { return convoy_engine_builder_set_merge_queue(get(), &table, err); });
        return *this;
    }
    /** A gate, for tasks that name it in `host_gates`. */
    engine_builder &add_gate(std::string_view name, std::shared_ptr<host_code> code) {
        return add<convoy_engine_builder_add_gate>(name, std::move(code));
    }
    /** A prompt source, for tasks that name it in `host_prompts`. */
    engine_builder &add_prompt_source(std::string_view name, std::shared_ptr<host_code> code) {
        return add<convoy_engine_builder_add_prompt_source>(name, std::move(code));
    }
    /** A hook, for hooks of `type: host` that name it. */
    engine_builder &add_hook(std::string_view name, std::shared_ptr<host_code> code) {
        return add<convoy_engine_builder_add_hook>(name, std::move(code));
    }
    /** Has what the engine tells of itself handed to a function, one record after the other: see
        convoy_engine_builder_set_log. */
    engine_builder &set_log(convoy_log_level level, std::function<void(convoy_log_level, std::string_view)> log) {
        using function = std::function<void(convoy_log_level, std::string_view)>;
        const auto call = [](void *user_data, std::int32_t of, const char *record, std::size_t len) {
            try {
                (*static_cast<function *>(user_data))(static_cast<convoy_log_level>(of), std::string_view(record, len));
            } catch (...) {  // nobody could hear of it
            }
        };
        // From the call on it is the library's, which destroys it also when this fails.
        function *given = new function(std::move(log));
        detail::must([&](convoy_error **err) {
            return convoy_engine_builder_set_log(get(), level, call, given, detail::destroy<function>, err);
        });
        return *this;
    }
    /** Builds the engine; the builder is used up. */
    engine build() {
        convoy_engine *handle = nullptr;
        detail::must([&](convoy_error **err) { return convoy_engine_build(get(), &handle, err); });
        return engine(handle);
    }

private:
    template <auto Function>
    engine_builder &add(std::string_view name, std::shared_ptr<host_code> code) {
        convoy_host_code table{};
        fill(table, std::move(code));
        table.call = detail::begin<host_code, &host_code::call>;
        detail::must([&](convoy_error **err) { return Function(get(), name.data(), name.size(), &table, err); });
        return *this;
    }

    /** The members that every structure has; the library owns the object from the call on, whatever comes of it. */
    template <typename Table, typename Object>
    static void fill(Table &table, std::shared_ptr<Object> object) {
        if (!object) {
            throw std::invalid_argument("convoy: the object whose functions are to be called is null");
        }
        table.struct_size = sizeof table;
        table.cancel = detail::cancel<Object>;
        table.destroy = detail::destroy<std::shared_ptr<Object>>;
        table.user_data = new std::shared_ptr<Object>(std::move(object));
    }

    detail::owned<convoy_engine_builder, convoy_engine_builder_free> handle_;
};

}  // namespace convoy

#endif  // CONVOY_HPP
