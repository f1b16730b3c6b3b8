#include "call.h"

#include <cstring>

namespace convoy_node {

Call::~Call() {
    convoy_string_free(&text);
    if (made != nullptr && operation != nullptr) {
        if (operation->gives == Gives::engine) {
            convoy_engine_free(static_cast<convoy_engine *>(made));
        } else if (operation->gives == Gives::run) {
            convoy_run_free(static_cast<convoy_run *>(made));
        }
    }
}

void Call::perform() { note(operation->run(*this)); }

void Call::note(convoy_status status) {
    failure.status = status;
    if (status == CONVOY_OK) {
        return;
    }
    failure.name = convoy_status_name(status);
    if (err != nullptr) {
        size_t size = 0;
        const char *from = convoy_error_message(err, &size);
        failure.message.assign(from, size);
        from = convoy_error_chain(err, &size);
        failure.chain.assign(from, size);
        from = convoy_error_details(err, &size);
        failure.details.assign(from, size);
        convoy_error_free(err);
        err = nullptr;
    }
}

namespace {

convoy_engine *engine(Call &call) { return static_cast<convoy_engine *>(call.handle); }
convoy_run *run(Call &call) { return static_cast<convoy_run *>(call.handle); }
convoy_run **made_run(Call &call) { return reinterpret_cast<convoy_run **>(&call.made); }

#define TEXT(at) call.data(at), call.len(at)
#define DO(expression) [](Call &call) -> convoy_status { return expression; }

const Operation operations[] = {
    {"check_spec", Gives::text, DO(convoy_check_spec(TEXT(0), &call.text, &call.err))},
    {"check_formula", Gives::text, DO(convoy_check_formula(TEXT(0), TEXT(1), &call.text, &call.err))},

    {"engine_shutdown", Gives::nothing, DO(convoy_engine_shutdown(engine(call), &call.err))},
    {"engine_state_dir", Gives::text, DO(convoy_engine_state_dir(engine(call), &call.text, &call.err))},
    {"engine_plan", Gives::text, DO(convoy_engine_plan(engine(call), TEXT(0), TEXT(1), &call.text, &call.err))},
    {"engine_start", Gives::run, DO(convoy_engine_start(engine(call), TEXT(0), TEXT(1), made_run(call), &call.err))},
    {"engine_resume", Gives::run, DO(convoy_engine_resume(engine(call), TEXT(0), made_run(call), &call.err))},
    {"engine_retry", Gives::run, DO(convoy_engine_retry(engine(call), TEXT(0), TEXT(1), made_run(call), &call.err))},
    {"engine_publish", Gives::run, DO(convoy_engine_publish(engine(call), TEXT(0), made_run(call), &call.err))},
    {"engine_list", Gives::text, DO(convoy_engine_list(engine(call), &call.text, &call.err))},
    {"engine_status", Gives::text, DO(convoy_engine_status(engine(call), TEXT(0), &call.text, &call.err))},
    {"engine_is_running", Gives::flag, DO(convoy_engine_is_running(engine(call), TEXT(0), &call.flag, &call.err))},
    {"engine_events", Gives::text,
     DO(convoy_engine_events(engine(call), TEXT(0), call.number, 1024, &call.text, &call.err))},
    {"engine_dead_letters", Gives::text, DO(convoy_engine_dead_letters(engine(call), TEXT(0), &call.text, &call.err))},
    {"engine_disputes", Gives::text, DO(convoy_engine_disputes(engine(call), TEXT(0), &call.text, &call.err))},
    {"engine_attempt", Gives::text,
     DO(!call.is_small() ? CONVOY_BAD_NUMBER
                         : convoy_engine_attempt(engine(call), TEXT(0), TEXT(1), static_cast<uint32_t>(call.number),
                                                 &call.text, &call.err))},
    {"engine_log_path", Gives::text,
     DO(!call.is_small() ? CONVOY_BAD_NUMBER
                         : convoy_engine_log_path(engine(call), TEXT(0), TEXT(1), static_cast<uint32_t>(call.number),
                                                  &call.text, &call.err))},
    {"engine_artifact", Gives::bytes,
     DO(convoy_engine_artifact(engine(call), TEXT(0), TEXT(1), TEXT(2), &call.text, &call.err))},
    {"engine_pause", Gives::text,
     DO(convoy_engine_pause(engine(call), TEXT(0), call.limit(), &call.text, &call.err))},
    {"engine_unpause", Gives::text,
     DO(convoy_engine_unpause(engine(call), TEXT(0), call.limit(), &call.text, &call.err))},
    {"engine_cancel", Gives::text,
     DO(convoy_engine_cancel(engine(call), TEXT(0), call.limit(), &call.text, &call.err))},
    {"engine_approve", Gives::text,
     DO(convoy_engine_approve(engine(call), TEXT(0), TEXT(1), TEXT(2), TEXT(3), call.limit(), &call.text, &call.err))},
    {"engine_reject", Gives::text,
     DO(convoy_engine_reject(engine(call), TEXT(0), TEXT(1), TEXT(2), call.limit(), &call.text, &call.err))},
    {"engine_skip", Gives::text,
     DO(convoy_engine_skip(engine(call), TEXT(0), TEXT(1), TEXT(2), call.limit(), &call.text, &call.err))},
    {"engine_accept", Gives::text,
     DO(convoy_engine_accept(engine(call), TEXT(0), TEXT(1), TEXT(2), TEXT(3), call.limit(), &call.text, &call.err))},
    {"engine_inject", Gives::text,
     DO(convoy_engine_inject(engine(call), TEXT(0), TEXT(1), TEXT(2), TEXT(3), &call.text, &call.err))},
    {"engine_resolve_dead_letter", Gives::nothing,
     DO(convoy_engine_resolve_dead_letter(engine(call), TEXT(0), TEXT(1), TEXT(2), &call.err))},
    {"engine_resolve_dispute", Gives::nothing,
     DO(convoy_engine_resolve_dispute(engine(call), TEXT(0), TEXT(1), TEXT(2), &call.err))},

    {"engine_prune", Gives::text, DO(convoy_engine_prune(engine(call), TEXT(0), &call.text, &call.err))},
    {"engine_last_retention", Gives::text, DO(convoy_engine_last_retention(engine(call), &call.text, &call.err))},
    {"engine_export", Gives::number,
     DO(convoy_engine_export(engine(call), TEXT(0), TEXT(1), &call.count, &call.err))},

    {"run_id", Gives::text, DO(convoy_run_id(run(call), &call.text, &call.err))},
    {"run_first_event_id", Gives::number, DO(convoy_run_first_event_id(run(call), &call.count, &call.err))},
    {"run_wait", Gives::text, DO(convoy_run_wait(run(call), -1, &call.text, &call.err))},
    {"run_look", Gives::text, DO(convoy_run_wait(run(call), 0, &call.text, &call.err))},
    {"run_pause", Gives::nothing, DO(convoy_run_pause(run(call), &call.err))},
    {"run_unpause", Gives::nothing, DO(convoy_run_unpause(run(call), &call.err))},
    {"run_cancel", Gives::nothing, DO(convoy_run_cancel(run(call), &call.err))},
    {"run_interrupt", Gives::nothing, DO(convoy_run_interrupt(run(call), TEXT(0), &call.err))},
    {"run_events_after", Gives::nothing, DO(convoy_run_events_after(run(call), call.number, &call.err))},
    {"run_next_events", Gives::text,
     DO(convoy_run_next_events(run(call), static_cast<size_t>(call.number), &call.text, &call.err))},

    {"completion_resolve", Gives::nothing, DO(convoy_completion_resolve(call.number, TEXT(0), &call.err))},
    {"completion_reject", Gives::nothing, DO(convoy_completion_reject(call.number, TEXT(0), &call.err))},
    {"completion_stdout", Gives::nothing,
     DO(convoy_completion_output(call.number, 1, reinterpret_cast<const uint8_t *>(call.data(0)), call.len(0),
                                 &call.err))},
    {"completion_stderr", Gives::nothing,
     DO(convoy_completion_output(call.number, 2, reinterpret_cast<const uint8_t *>(call.data(0)), call.len(0),
                                 &call.err))},
    {"completion_started", Gives::nothing, DO(convoy_completion_started(call.number, call.second, &call.err))},
    {"completion_session", Gives::nothing, DO(convoy_completion_session(call.number, TEXT(0), &call.err))},
};

}  // namespace

const Operation *operation_named(const std::string &name) {
    for (const Operation &operation : operations) {
        if (name == operation.name) {
            return &operation;
        }
    }
    return nullptr;
}

}  // namespace convoy_node
