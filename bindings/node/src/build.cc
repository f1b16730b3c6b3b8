#include "build.h"

#include <utility>

namespace convoy_node {

namespace {

// What the library keeps as user data: where to post to, and for whom. One for each table of functions, freed by its
// `destroy`, which the library calls exactly once.
struct Address {
    std::shared_ptr<Channel> channel;
    uint32_t key;
};

void destroy(void *user_data) { delete static_cast<Address *>(user_data); }

template <Question question>
void ask(void *user_data, const char *request, size_t len, uint64_t id) {
    auto *address = static_cast<Address *>(user_data);
    address->channel->ask(address->key, question, request, len, id);
}

void cancel(void *user_data, uint64_t id) { static_cast<Address *>(user_data)->channel->cancel(id); }

void wake(void *user_data) {
    auto *address = static_cast<Address *>(user_data);
    auto message = std::make_unique<Message>();
    message->kind = Message::Kind::wake;
    message->key = address->key;
    address->channel->post(std::move(message));
}

void log(void *user_data, int32_t, const char *record, size_t len) {
    auto *address = static_cast<Address *>(user_data);
    address->channel->tell(address->key, record, len);
}

template <typename Table>
Table table_for(Address *address) {
    Table table = {};
    table.struct_size = sizeof table;
    table.user_data = address;
    table.destroy = destroy;
    table.cancel = cancel;
    return table;
}

const Operation building = {"engine_build", Gives::engine, nullptr};

}  // namespace

Build::Build() { operation = &building; }

void Build::perform() { note(build()); }

convoy_status Build::build() {
    convoy_engine_builder *builder = nullptr;
    convoy_status status = convoy_engine_builder_new(repository.data(), repository.size(), &builder, &err);
    if (status != CONVOY_OK) {
        return status;
    }
    status = convoy_engine_builder_set_options(builder, options.data(), options.size(), &err);
    if (status == CONVOY_OK) {
        status = add_parts(builder);
    }
    if (status == CONVOY_OK) {
        status = add_code(builder);
    }
    if (status == CONVOY_OK && log_level != 0) {
        status = convoy_engine_builder_set_log(builder, log_level, log, new Address{channel, host}, destroy, &err);
    }
    if (status == CONVOY_OK) {
        status = convoy_engine_build(builder, reinterpret_cast<convoy_engine **>(&made), &err);
    }
    convoy_engine_builder_free(builder);
    return status;
}

convoy_status Build::add_parts(convoy_engine_builder *builder) {
    for (const std::string &description : adapters) {
        auto table = table_for<convoy_agent_adapter>(new Address{channel, host});
        table.execute = ask<Question::execute>;
        convoy_status status =
            convoy_engine_builder_add_adapter(builder, description.data(), description.size(), &table, &err);
        if (status != CONVOY_OK) {
            return status;
        }
    }
    if (reviewer) {
        auto table = table_for<convoy_review_runner>(new Address{channel, host});
        table.review = ask<Question::review>;
        convoy_status status =
            convoy_engine_builder_set_review_runner(builder, reviewer->data(), reviewer->size(), &table, &err);
        if (status != CONVOY_OK) {
            return status;
        }
    }
    if (merge_queue) {
        auto table = table_for<convoy_merge_queue>(new Address{channel, host});
        table.prepare = ask<Question::prepare>;
        table.advance = ask<Question::advance>;
        table.settle = ask<Question::settle>;
        return convoy_engine_builder_set_merge_queue(builder, &table, &err);
    }
    return CONVOY_OK;
}

convoy_status Build::add_code(convoy_engine_builder *builder) {
    using Begin = void (*)(void *, const char *, size_t, uint64_t);
    const auto add = [&](const std::vector<std::string> &names, Begin begin, auto function) {
        convoy_status status = CONVOY_OK;
        for (size_t at = 0; at < names.size() && status == CONVOY_OK; at++) {
            auto table = table_for<convoy_host_code>(new Address{channel, host});
            table.call = begin;
            status = function(builder, names[at].data(), names[at].size(), &table, &err);
        }
        return status;
    };
    // Called, and not kept as addresses: those must be there when the addon is loaded, and a library that lacks one would
    // be refused before its version is looked at.
    const auto gate = [](auto... given) { return convoy_engine_builder_add_gate(given...); };
    const auto prompt = [](auto... given) { return convoy_engine_builder_add_prompt_source(given...); };
    const auto hook = [](auto... given) { return convoy_engine_builder_add_hook(given...); };
    convoy_status status = add(gates, ask<Question::gate>, gate);
    if (status == CONVOY_OK) {
        status = add(prompts, ask<Question::prompt>, prompt);
    }
    return status == CONVOY_OK ? add(hooks, ask<Question::hook>, hook) : status;
}

convoy_status set_wake(convoy_run *run, std::shared_ptr<Channel> channel, uint32_t key, convoy_error **err) {
    return convoy_run_set_wake(run, wake, new Address{std::move(channel), key}, destroy, err);
}

}  // namespace convoy_node
