// The addon: what lib/ calls, and how the library calls back. JavaScript sees the functions at the end of this file.
//
// No call that may wait for disk, git or an agent runs on the JavaScript thread: `call` uses the thread pool of Node,
// `callThread` a thread of its own (for what waits for the end of a run, and would fill the pool).

#include <set>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <node_api.h>

#include "build.h"
#include "call.h"
#include "channel.h"

namespace convoy_node {
namespace {

// Engines that are not yet freed. Only the JavaScript thread knows them.
using Engines = std::set<convoy_engine *>;

// What belongs to one environment (the main thread, or a worker).
struct Environment {
    std::shared_ptr<Channel> channel;
    napi_threadsafe_function function = nullptr;
    napi_ref dispatch = nullptr, make_error = nullptr;
    // Each is shut down when the environment ends.
    std::shared_ptr<Engines> engines = std::make_shared<Engines>();
    uint32_t holds = 0;
};

Environment *environment(napi_env env) {
    void *data = nullptr;
    napi_get_instance_data(env, &data);
    return static_cast<Environment *>(data);
}

// Ends everything of the environment, and waits for it: agents are ended, and what they did can be resumed.
void close(Environment &here) {
    here.channel->close();
    for (convoy_engine *engine : *here.engines) {
        convoy_engine_shutdown(engine, nullptr);
        convoy_engine_free(engine);
    }
    here.engines->clear();
}

// Returns undefined from a function of the addon, with an exception if the call of Node-API failed.
#define MUST(call)                                                                  \
    do {                                                                            \
        if ((call) != napi_ok) {                                                    \
            bool pending = false;                                                   \
            napi_is_exception_pending(env, &pending);                               \
            if (!pending) {                                                         \
                napi_throw_type_error(env, nullptr, "an argument is not of the right type"); \
            }                                                                       \
            return nullptr;                                                         \
        }                                                                           \
    } while (0)

napi_value string(napi_env env, const std::string &text) {
    napi_value value = nullptr;
    napi_create_string_utf8(env, text.data(), text.size(), &value);
    return value;
}

bool read_text(napi_env env, napi_value value, std::string &out) {
    bool buffer = false;
    napi_is_buffer(env, value, &buffer);
    if (buffer) {
        void *data = nullptr;
        size_t size = 0;
        if (napi_get_buffer_info(env, value, &data, &size) != napi_ok) {
            return false;
        }
        out.assign(static_cast<const char *>(data), size);
        return true;
    }
    size_t size = 0;
    if (napi_get_value_string_utf8(env, value, nullptr, 0, &size) != napi_ok) {
        return false;
    }
    out.resize(size + 1);
    napi_get_value_string_utf8(env, value, &out[0], size + 1, &size);
    out.resize(size);
    return true;
}

bool is_nothing(napi_env env, napi_value value) {
    napi_valuetype type = napi_undefined;
    napi_typeof(env, value, &type);
    return type == napi_undefined || type == napi_null;
}

bool read_number(napi_env env, napi_value value, uint64_t &out) {
    bool whole = false;
    if (napi_get_value_bigint_uint64(env, value, &out, &whole) == napi_ok) {
        return whole;
    }
    double number = 0;
    if (napi_get_value_double(env, value, &number) != napi_ok || !(number >= 0 && number <= 9007199254740991.0)) {
        return false;
    }
    out = static_cast<uint64_t>(number);
    // A fraction would come to the library as another number.
    return static_cast<double>(out) == number;
}

// The error of lib/errors.js for a failure.
napi_value error_for(napi_env env, const Failure &failure) {
    napi_value make = nullptr, undefined = nullptr, error = nullptr, status = nullptr;
    napi_get_undefined(env, &undefined);
    napi_get_reference_value(env, environment(env)->make_error, &make);
    napi_create_int32(env, failure.status, &status);
    napi_value arguments[] = {status, string(env, failure.name), string(env, failure.message),
                              string(env, failure.chain), string(env, failure.details)};
    napi_call_function(env, undefined, make, 5, arguments, &error);
    return error;
}

// May come after the data of the environment is gone.
void engine_collected(napi_env, void *data, void *hint) {
    std::unique_ptr<std::shared_ptr<Engines>> engines(static_cast<std::shared_ptr<Engines> *>(hint));
    auto *engine = static_cast<convoy_engine *>(data);
    (*engines)->erase(engine);
    convoy_engine_free(engine);
}

void run_collected(napi_env, void *data, void *) { convoy_run_free(static_cast<convoy_run *>(data)); }

// What a call gave, as a value; NULL when the environment does not take it.
napi_value result_of(napi_env env, Call &call) {
    napi_value value = nullptr;
    switch (call.operation->gives) {
        case Gives::nothing:
            napi_get_undefined(env, &value);
            break;
        case Gives::text:
            napi_create_string_utf8(env, call.text.data, call.text.len, &value);
            break;
        case Gives::bytes:
            napi_create_buffer_copy(env, call.text.len, call.text.data, nullptr, &value);
            break;
        case Gives::flag:
            napi_get_boolean(env, call.flag != 0, &value);
            break;
        case Gives::number:
            napi_create_int64(env, static_cast<int64_t>(call.count), &value);
            break;
        case Gives::run:
            if (napi_create_external(env, call.made, run_collected, nullptr, &value) == napi_ok) {
                call.made = nullptr;
            }
            break;
        case Gives::engine: {
            auto engines = std::make_unique<std::shared_ptr<Engines>>(environment(env)->engines);
            if (napi_create_external(env, call.made, engine_collected, engines.get(), &value) == napi_ok) {
                (*engines)->insert(static_cast<convoy_engine *>(call.made));
                call.made = nullptr;
                engines.release();
            }
            break;
        }
    }
    return value;
}

// Whether a status says that there is nothing (yet), which is no failure.
bool is_quiet(convoy_status status) { return status >= 200 && status < 300; }

// What is no failure but gives nothing is given as undefined.
void settle(napi_env env, Call &call, napi_deferred deferred) {
    napi_handle_scope scope = nullptr;
    if (napi_open_handle_scope(env, &scope) != napi_ok) {
        return;
    }
    bool quiet = is_quiet(call.failure.status), failed = call.failure.status != CONVOY_OK && !quiet;
    napi_value value = nullptr;
    if (quiet) {
        napi_get_undefined(env, &value);
    } else {
        value = failed ? error_for(env, call.failure) : result_of(env, call);
    }
    if (value != nullptr) {
        failed ? napi_reject_deferred(env, deferred, value) : napi_resolve_deferred(env, deferred, value);
    }
    napi_close_handle_scope(env, scope);
}

// Reads (operation, handle, texts, number, second).
std::unique_ptr<Call> read_call(napi_env env, napi_callback_info info) {
    size_t count = 5;
    napi_value arguments[5];
    MUST(napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr));
    auto call = std::make_unique<Call>();
    std::string name;
    if (!read_text(env, arguments[0], name) || (call->operation = operation_named(name)) == nullptr) {
        napi_throw_type_error(env, nullptr, "no such operation");
        return nullptr;
    }
    if (!is_nothing(env, arguments[1])) {
        MUST(napi_get_value_external(env, arguments[1], &call->handle));
    }
    uint32_t texts = 0;
    if (!is_nothing(env, arguments[2])) {
        MUST(napi_get_array_length(env, arguments[2], &texts));
    }
    for (uint32_t at = 0; at < texts && at < Call::most_texts; at++) {
        napi_value text = nullptr;
        MUST(napi_get_element(env, arguments[2], at, &text));
        if (!is_nothing(env, text) && !read_text(env, text, call->texts[at].emplace())) {
            napi_throw_type_error(env, nullptr, "an argument must be a string");
            return nullptr;
        }
    }
    uint64_t second = 0;
    call->has_number = !is_nothing(env, arguments[3]);
    if ((call->has_number && !read_number(env, arguments[3], call->number)) ||
        (!is_nothing(env, arguments[4]) && !read_number(env, arguments[4], second)) || second > UINT32_MAX) {
        napi_throw_range_error(env, nullptr, "an argument must be a whole number of a sensible size");
        return nullptr;
    }
    call->second = static_cast<uint32_t>(second);
    return call;
}

// A call on the thread pool.
struct Work {
    std::unique_ptr<Call> call;
    napi_async_work work = nullptr;
    napi_deferred deferred = nullptr;
};

void perform_work(napi_env, void *data) { static_cast<Work *>(data)->call->perform(); }

void finish_work(napi_env env, napi_status, void *data) {
    std::unique_ptr<Work> work(static_cast<Work *>(data));
    napi_delete_async_work(env, work->work);
    settle(env, *work->call, work->deferred);
}

napi_value on_pool(napi_env env, std::unique_ptr<Call> call) {
    auto work = std::make_unique<Work>();
    work->call = std::move(call);
    napi_value promise = nullptr;
    MUST(napi_create_promise(env, &work->deferred, &promise));
    MUST(napi_create_async_work(env, nullptr, string(env, "convoy"), perform_work, finish_work, work.get(),
                                &work->work));
    MUST(napi_queue_async_work(env, work->work));
    work.release();
    return promise;
}

// call(operation, handle, texts, number, second) -> promise
napi_value call(napi_env env, napi_callback_info info) {
    auto call = read_call(env, info);
    return call ? on_pool(env, std::move(call)) : nullptr;
}

// As `call`, at once: only for what never blocks. What is no failure but gives nothing is given as its number.
napi_value call_now(napi_env env, napi_callback_info info) {
    auto call = read_call(env, info);
    if (!call) {
        return nullptr;
    }
    call->perform();
    convoy_status status = call->failure.status;
    if (is_quiet(status)) {
        napi_value value = nullptr;
        napi_create_int32(env, status, &value);
        return value;
    }
    if (status != CONVOY_OK) {
        napi_value error = error_for(env, call->failure);
        if (error != nullptr) {
            napi_throw(env, error);
        }
        return nullptr;
    }
    return result_of(env, *call);
}

// As `call`, on a thread of its own. It does not keep the process alive: `hold` does.
napi_value call_thread(napi_env env, napi_callback_info info) {
    auto call = read_call(env, info);
    if (!call) {
        return nullptr;
    }
    auto message = std::make_unique<Message>();
    message->kind = Message::Kind::done;
    message->call = std::move(call);
    napi_value promise = nullptr;
    MUST(napi_create_promise(env, &message->deferred, &promise));
    auto work = [channel = environment(env)->channel, message = std::move(message)]() mutable {
        message->call->perform();
        channel->post(std::move(message));
    };
    try {
        std::thread(std::move(work)).detach();
    } catch (const std::system_error &error) {
        napi_throw_error(env, "CONVOY_INTERNAL", error.what());
        return nullptr;
    }
    return promise;
}

// A list of texts; whether it is one.
bool read_texts(napi_env env, napi_value list, std::vector<std::string> &out) {
    uint32_t length = 0;
    if (napi_get_array_length(env, list, &length) != napi_ok) {
        return false;
    }
    for (uint32_t at = 0; at < length; at++) {
        napi_value text = nullptr;
        if (napi_get_element(env, list, at, &text) != napi_ok || !read_text(env, text, out.emplace_back())) {
            return false;
        }
    }
    return true;
}

// build(host, repository, options, adapters, reviewer, mergeQueue, gates, prompts, hooks, logLevel) -> promise of a handle
napi_value build(napi_env env, napi_callback_info info) {
    size_t count = 10;
    napi_value arguments[10];
    MUST(napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr));
    auto build = std::make_unique<Build>();
    build->channel = environment(env)->channel;
    MUST(napi_get_value_uint32(env, arguments[0], &build->host));
    if (!read_text(env, arguments[1], build->repository) || !read_text(env, arguments[2], build->options)) {
        napi_throw_type_error(env, nullptr, "the repository must be a string");
        return nullptr;
    }
    MUST(read_texts(env, arguments[3], build->adapters) ? napi_ok : napi_string_expected);
    if (!is_nothing(env, arguments[4])) {
        MUST(read_text(env, arguments[4], build->reviewer.emplace()) ? napi_ok : napi_string_expected);
    }
    MUST(napi_get_value_bool(env, arguments[5], &build->merge_queue));
    MUST(read_texts(env, arguments[6], build->gates) ? napi_ok : napi_string_expected);
    MUST(read_texts(env, arguments[7], build->prompts) ? napi_ok : napi_string_expected);
    MUST(read_texts(env, arguments[8], build->hooks) ? napi_ok : napi_string_expected);
    MUST(napi_get_value_int32(env, arguments[9], &build->log_level));
    return on_pool(env, std::move(build));
}

// setWake(run, key)
napi_value js_set_wake(napi_env env, napi_callback_info info) {
    size_t count = 2;
    napi_value arguments[2];
    void *run = nullptr;
    uint32_t key = 0;
    MUST(napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr));
    MUST(napi_get_value_external(env, arguments[0], &run));
    MUST(napi_get_value_uint32(env, arguments[1], &key));
    // Its only failures are those of a handle, and there is one.
    set_wake(static_cast<convoy_run *>(run), environment(env)->channel, key, nullptr);
    return nullptr;
}

// answered(id): JavaScript has answered, or found that nobody waits.
napi_value answered(napi_env env, napi_callback_info info) {
    size_t count = 1;
    napi_value argument;
    uint64_t id = 0;
    MUST(napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr));
    MUST(read_number(env, argument, id) ? napi_ok : napi_number_expected);
    environment(env)->channel->answered(id);
    return nullptr;
}

// hold(boolean): the process stays alive as long as it was called more often with true than with false.
napi_value hold(napi_env env, napi_callback_info info) {
    size_t count = 1;
    napi_value argument;
    bool more = false;
    MUST(napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr));
    MUST(napi_get_value_bool(env, argument, &more));
    Environment &here = *environment(env);
    if (more && here.holds++ == 0) {
        napi_ref_threadsafe_function(env, here.function);
    } else if (!more && here.holds > 0 && --here.holds == 0) {
        napi_unref_threadsafe_function(env, here.function);
    }
    return nullptr;
}

// freeEngine(handle): after a shutdown.
napi_value free_engine(napi_env env, napi_callback_info info) {
    size_t count = 1;
    napi_value argument;
    void *engine = nullptr;
    MUST(napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr));
    MUST(napi_get_value_external(env, argument, &engine));
    environment(env)->engines->erase(static_cast<convoy_engine *>(engine));
    convoy_engine_free(static_cast<convoy_engine *>(engine));
    return nullptr;
}

// close(): see above. Blocks; for the end of the environment.
napi_value close_now(napi_env env, napi_callback_info) {
    close(*environment(env));
    return nullptr;
}

// Tells JavaScript of a message.
void deliver(napi_env env, napi_value, void *, void *data) {
    std::unique_ptr<Message> message(static_cast<Message *>(data));
    if (env == nullptr) {
        return;  // The environment ends.
    }
    if (message->kind == Message::Kind::done) {
        settle(env, *message->call, message->deferred);
        return;
    }
    napi_value dispatch = nullptr, undefined = nullptr, arguments[5];
    napi_get_undefined(env, &undefined);
    napi_get_reference_value(env, environment(env)->dispatch, &dispatch);
    napi_create_uint32(env, static_cast<uint32_t>(message->kind), &arguments[0]);
    napi_create_uint32(env, message->key, &arguments[1]);
    napi_create_uint32(env, static_cast<uint32_t>(message->question), &arguments[2]);
    napi_create_bigint_uint64(env, message->id, &arguments[3]);
    arguments[4] = string(env, message->text);
    napi_call_function(env, undefined, dispatch, 5, arguments, nullptr);
    if (message->kind == Message::Kind::log) {
        environment(env)->channel->told();
    }
}

// setup(dispatch, makeError): first, once.
napi_value setup(napi_env env, napi_callback_info info) {
    size_t count = 2;
    napi_value arguments[2];
    MUST(napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr));
    Environment &here = *environment(env);
    MUST(napi_create_reference(env, arguments[0], 1, &here.dispatch));
    MUST(napi_create_reference(env, arguments[1], 1, &here.make_error));
    return nullptr;
}

void end_of_environment(void *data) { close(*static_cast<Environment *>(data)); }

void free_environment(napi_env, void *data, void *) { delete static_cast<Environment *>(data); }

napi_value init(napi_env env, napi_value exports) {
    if (convoy_abi_version() != CONVOY_ABI_VERSION) {
        std::string message = "the addon of convoy was built for version " + std::to_string(CONVOY_ABI_VERSION) +
                              " of the C interface, but the libconvoy beside it has " +
                              std::to_string(convoy_abi_version());
        napi_throw_error(env, "CONVOY_ABI", message.c_str());
        return nullptr;
    }
    auto here = std::make_unique<Environment>();
    MUST(napi_create_threadsafe_function(env, nullptr, nullptr, string(env, "convoy"), 0, 1, nullptr, nullptr,
                                         nullptr, deliver, &here->function));
    MUST(napi_unref_threadsafe_function(env, here->function));
    here->channel = std::make_shared<Channel>(here->function);
    // Runs before Node takes the function away, which was made earlier.
    MUST(napi_add_env_cleanup_hook(env, end_of_environment, here.get()));
    MUST(napi_set_instance_data(env, here.release(), free_environment, nullptr));
    const napi_property_descriptor functions[] = {
        {"setup", nullptr, setup, nullptr, nullptr, nullptr, napi_default, nullptr},
        {"call", nullptr, call, nullptr, nullptr, nullptr, napi_default, nullptr},
        {"callNow", nullptr, call_now, nullptr, nullptr, nullptr, napi_default, nullptr},
        {"callThread", nullptr, call_thread, nullptr, nullptr, nullptr, napi_default, nullptr},
        {"build", nullptr, build, nullptr, nullptr, nullptr, napi_default, nullptr},
        {"setWake", nullptr, js_set_wake, nullptr, nullptr, nullptr, napi_default, nullptr},
        {"answered", nullptr, answered, nullptr, nullptr, nullptr, napi_default, nullptr},
        {"hold", nullptr, hold, nullptr, nullptr, nullptr, napi_default, nullptr},
        {"freeEngine", nullptr, free_engine, nullptr, nullptr, nullptr, napi_default, nullptr},
        {"close", nullptr, close_now, nullptr, nullptr, nullptr, napi_default, nullptr},
        {"version", nullptr, nullptr, nullptr, nullptr, string(env, convoy_version()), napi_enumerable, nullptr},
    };
    MUST(napi_define_properties(env, exports, sizeof functions / sizeof *functions, functions));
    return exports;
}

}  // namespace
}  // namespace convoy_node

NAPI_MODULE_INIT() { return convoy_node::init(env, exports); }
