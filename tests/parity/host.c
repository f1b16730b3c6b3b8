/* The C host of the parity tests: does what a job says (see main.rs).
 *
 *     host JOB        the job is JSON without blanks
 */
#define _POSIX_C_SOURCE 200809L
#include "parts.h"

static convoy_engine *engine;
static char *convoy; /* once it is known */
static int shut_down;
static int used_rules[64];

/* What a call gives: a status, perhaps JSON, and the error. */
struct outcome {
    convoy_status status;
    char *told;
    convoy_error *err;
};

static struct outcome call(const char *words);

static char *read_file(const char *path) {
    FILE *file = fopen(path, "rb");
    char *text = allocate(8 << 20);
    size_t len = file != NULL ? fread(text, 1, (8 << 20) - 1, file) : 0;
    if (len == 0 || fclose(file) != 0) {
        fail(path);
    }
    text[len] = 0;
    return text;
}

/* Ends the program if it failed. */
static void must(convoy_status status, convoy_error *err) {
    if (status != CONVOY_OK) {
        fail(err != NULL ? convoy_error_chain(err, NULL) : convoy_status_name(status));
    }
}

typedef convoy_status add_function(const convoy_engine_builder *builder, const char *name, size_t len,
                                   const convoy_host_code *code, convoy_error **err);

/* Adds code under each name of a list. */
static void add_code(convoy_engine_builder *builder, const char *names, add_function *add,
                     void (*begin_call)(void *user_data, const char *request, size_t len, uint64_t id)) {
    convoy_host_code code = {0};
    convoy_error *err = NULL;
    int at;
    code.struct_size = sizeof code;
    code.call = begin_call;
    code.cancel = cancel;
    for (at = 0; *item(names, at) != 0; at++) {
        char *name = words_of(item(names, at));
        must(add(builder, TEXT(name), &code, &err), err);
        free(name);
    }
}

/* An engine with the parts that the job names. */
static convoy_engine *build(void) {
    convoy_engine_builder *builder = NULL;
    convoy_engine *built = NULL;
    convoy_agent_adapter adapter = {0};
    convoy_review_runner runner = {0};
    convoy_merge_queue queue = {0};
    convoy_error *err = NULL;
    char *repository = words_of(member(job, "repository")), *options = piece(member(job, "engine")), *text;
    const char *adapters = member(job, "adapters");
    int at;
    must(convoy_engine_builder_new(TEXT(repository), &builder, &err), err);
    must(convoy_engine_builder_set_options(builder, TEXT(options), &err), err);
    adapter.struct_size = sizeof adapter;
    adapter.execute = execute;
    adapter.cancel = cancel;
    for (at = 0; *item(adapters, at) != 0; at++) {
        text = piece(item(adapters, at));
        must(convoy_engine_builder_add_adapter(builder, TEXT(text), &adapter, &err), err);
        free(text);
    }
    runner.struct_size = sizeof runner;
    runner.review = review;
    runner.cancel = cancel;
    if (*member(job, "reviewer") == '{') {
        text = piece(member(job, "reviewer"));
        must(convoy_engine_builder_set_review_runner(builder, TEXT(text), &runner, &err), err);
        free(text);
    }
    queue.struct_size = sizeof queue;
    queue.prepare = prepare;
    queue.advance = advance;
    queue.settle = settle;
    queue.cancel = cancel;
    if (*member(job, "queue") == 't') {
        must(convoy_engine_builder_set_merge_queue(builder, &queue, &err), err);
    }
    add_code(builder, member(job, "gates"), convoy_engine_builder_add_gate, gate);
    add_code(builder, member(job, "prompts"), convoy_engine_builder_add_prompt_source, prompt);
    add_code(builder, member(job, "hooks"), convoy_engine_builder_add_hook, hook);
    must(convoy_engine_build(builder, &built, &err), err);
    convoy_engine_builder_free(builder);
    free(options);
    free(repository);
    return built;
}

/* Makes the calls of a list, and says what became of each. */
static void calls_of(const char *list) {
    int at;
    for (at = 0; *item(list, at) != 0; at++) {
        char *words = piece(item(list, at));
        struct outcome outcome;
        if (is(item(words, 0), "open")) {
            say("{\"did\":", words, "}", NULL); /* before, as it may be the last thing that this process does */
            call(words);
            free(words);
            continue;
        }
        outcome = call(words);
        if (outcome.status == CONVOY_OK) {
            say("{\"did\":", words, ",\"told\":", outcome.told != NULL ? outcome.told : "null", "}", NULL);
        } else {
            char number[16], *message = json_of(convoy_error_message(outcome.err, NULL));
            snprintf(number, sizeof number, "%d", (int)outcome.status);
            say("{\"did\":", words, ",\"failed\":{\"status\":", number, ",\"message\":", message, "}}", NULL);
            free(message);
            convoy_error_free(outcome.err);
        }
        free(outcome.told);
        free(words);
    }
}

/* Does what the first rule says that fits the event and was not used. */
static void react(const char *event) {
    const char *rules = member(job, "on");
    char *type = words_of(member(event, "type")), *task = words_of(member(event, "task_id"));
    int at;
    for (at = 0; *item(rules, at) != 0; at++) {
        const char *rule = item(rules, at), *wanted = member(rule, "task");
        if (!used_rules[at] && is(member(rule, "type"), type) && (*wanted == 0 || is(wanted, task))) {
            used_rules[at] = 1;
            calls_of(member(rule, "do"));
            break;
        }
    }
    free(task);
    free(type);
}

/* Begins a run and reads its events to the end. */
static struct outcome follow(const char *words) {
    struct outcome outcome = {CONVOY_OK, NULL, NULL};
    convoy_string text = {NULL, 0};
    convoy_run *begun = NULL;
    const char *word = item(words, 0);
    char *spec = words_of(member(job, "convoy")), *options = piece(member(job, "options"));
    char *tasks = piece(item(words, 1));
    if (is(word, "start")) {
        outcome.status = convoy_engine_start(engine, TEXT(spec), TEXT(options), &begun, &outcome.err);
    } else if (is(word, "resume")) {
        outcome.status = convoy_engine_resume(engine, NULL, 0, &begun, &outcome.err);
    } else if (is(word, "retry")) {
        outcome.status = convoy_engine_retry(engine, TEXT(convoy), *tasks != 0 ? tasks : NULL, strlen(tasks), &begun,
                                             &outcome.err);
    } else {
        outcome.status = convoy_engine_publish(engine, TEXT(convoy), &begun, &outcome.err);
    }
    free(tasks);
    free(options);
    free(spec);
    if (outcome.status != CONVOY_OK) {
        return outcome;
    }
    convoy_run_free(run);
    pthread_mutex_lock(&lock);
    run = begun;
    pthread_mutex_unlock(&lock);
    must(convoy_run_id(run, &text, &outcome.err), outcome.err);
    free(convoy);
    convoy = strdup(text.data);
    convoy_string_free(&text);
    while (!shut_down && (outcome.status = convoy_run_wait_event(run, -1, &text, &outcome.err)) == CONVOY_OK) {
        say(text.data, NULL);
        react(text.data);
        convoy_string_free(&text);
    }
    if (outcome.status == CONVOY_END) {
        outcome.status = convoy_run_wait(run, -1, &text, &outcome.err);
        outcome.told = text.data != NULL ? strdup(text.data) : NULL;
        convoy_string_free(&text);
    }
    return outcome;
}

/* An argument, with the id of the convoy, without its first word, where it says so; to be freed. */
static char *argument(const char *words, int at) {
    char *text = words_of(item(words, at)), *place = strstr(text, "CONVOY"), *filled;
    if (place == NULL || convoy == NULL) {
        return text;
    }
    filled = allocate(strlen(text) + strlen(convoy) + 1);
    sprintf(filled, "%.*s%s%s", (int)(place - text), text, convoy + strlen("convoy-"), place + strlen("CONVOY"));
    free(text);
    return filled;
}

/* Keeps the answer to a request, and frees it. */
static void answered(convoy_string *answer, struct outcome *outcome) {
    if (answer->data != NULL) {
        char *text = words_of(member(answer->data, "answer"));
        outcome->told = json_of(text);
        free(text);
    }
    convoy_string_free(answer);
}

/* What people decide about tasks. */
static int decided(const char *word, const char *one, const char *two, const char *three, struct outcome *outcome) {
    convoy_error **err = &outcome->err;
    convoy_string key = {NULL, 0}, answer = {NULL, 0}, *out = &answer;
    if (is(word, "approve")) {
        outcome->status = convoy_engine_approve(engine, TEXT(convoy), TEXT(one), NULL, 0, TEXT(two), -1, out, err);
    } else if (is(word, "reject")) {
        outcome->status = convoy_engine_reject(engine, TEXT(convoy), TEXT(one), TEXT(two), -1, out, err);
    } else if (is(word, "skip")) {
        outcome->status = convoy_engine_skip(engine, TEXT(convoy), TEXT(one), TEXT(two), -1, out, err);
    } else if (is(word, "accept")) {
        outcome->status =
            convoy_engine_accept(engine, TEXT(convoy), TEXT(one), TEXT(two), TEXT(three), -1, out, err);
    } else if (is(word, "resolve_dead_letter")) {
        outcome->status = convoy_engine_resolve_dead_letter(engine, TEXT(convoy), TEXT(one), TEXT(two), err);
    } else if (is(word, "resolve_dispute")) {
        outcome->status = convoy_engine_resolve_dispute(engine, TEXT(convoy), TEXT(one), TEXT(two), err);
    } else if (is(word, "inject")) {
        outcome->status =
            convoy_engine_inject(engine, TEXT(convoy), TEXT(one), TEXT("parity"), TEXT(two), &key, err);
        outcome->told = key.data != NULL ? json_of(key.data) : NULL;
        convoy_string_free(&key);
    } else {
        return 0;
    }
    answered(&answer, outcome);
    return 1;
}

/* What is asked for, as JSON. */
static int looked(const char *word, const char *one, const char *two, struct outcome *outcome) {
    convoy_error **err = &outcome->err;
    convoy_string text = {NULL, 0};
    int32_t runs = 0;
    if (is(word, "list")) {
        outcome->status = convoy_engine_list(engine, &text, err);
    } else if (is(word, "status")) {
        outcome->status = convoy_engine_status(engine, TEXT(convoy), &text, err);
    } else if (is(word, "dead_letters")) {
        outcome->status = convoy_engine_dead_letters(engine, TEXT(convoy), &text, err);
    } else if (is(word, "disputes")) {
        outcome->status = convoy_engine_disputes(engine, TEXT(convoy), &text, err);
    } else if (is(word, "events")) {
        outcome->status = convoy_engine_events(engine, TEXT(convoy), 0, 1000, &text, err);
    } else if (is(word, "attempt")) {
        outcome->status = convoy_engine_attempt(engine, TEXT(convoy), TEXT(one), (uint32_t)atoi(two), &text, err);
    } else if (is(word, "is_running")) {
        outcome->status = convoy_engine_is_running(engine, TEXT(convoy), &runs, err);
        outcome->told = strdup(runs ? "true" : "false");
    } else if (is(word, "artifact")) {
        outcome->status = convoy_engine_artifact(engine, TEXT(convoy), TEXT(one), TEXT(two), &text, err);
        outcome->told = text.data != NULL ? json_of(text.data) : NULL;
    } else {
        return 0;
    }
    if (outcome->told == NULL && text.data != NULL) {
        outcome->told = strdup(text.data);
    }
    convoy_string_free(&text);
    return 1;
}

/* The log of an attempt: its path, and what it holds. */
static void told_log(const char *task, const char *number, struct outcome *outcome) {
    convoy_string path = {NULL, 0};
    char *content, *name, *text;
    outcome->status =
        convoy_engine_log_path(engine, TEXT(convoy), TEXT(task), (uint32_t)atoi(number), &path, &outcome->err);
    if (outcome->status != CONVOY_OK) {
        return;
    }
    content = read_file(path.data);
    name = json_of(path.data);
    text = json_of(content);
    outcome->told = allocate(strlen(name) + strlen(text) + 32);
    sprintf(outcome->told, "{\"path\":%s,\"text\":%s}", name, text);
    free(text);
    free(name);
    free(content);
    convoy_string_free(&path);
}

/* The record of a convoy, written to a file and read from it. */
static void told_export(struct outcome *outcome) {
    char *repository = words_of(member(job, "repository")), *path = allocate(strlen(repository) + 16), *lines, *at;
    uint64_t count = 0;
    sprintf(path, "%s.ndjson", repository);
    outcome->status = convoy_engine_export(engine, TEXT(convoy), TEXT(path), &count, &outcome->err);
    if (outcome->status == CONVOY_OK) {
        lines = read_file(path);
        lines[strlen(lines) - 1] = 0;
        for (at = lines; (at = strchr(at, '\n')) != NULL;) {
            *at = ',';
        }
        outcome->told = allocate(strlen(lines) + 64);
        sprintf(outcome->told, "{\"count\":%lu,\"events\":[%s]}", (unsigned long)count, lines);
        free(lines);
    }
    free(path);
    free(repository);
}

/* What is kept of a convoy: its log, its record, and whether it goes. */
static int kept(const char *words, const char *task, const char *number, struct outcome *outcome) {
    const char *word = item(words, 0);
    convoy_string text = {NULL, 0};
    if (is(word, "log")) {
        told_log(task, number, outcome);
    } else if (is(word, "export")) {
        told_export(outcome);
    } else if (is(word, "retention")) {
        outcome->status = convoy_engine_last_retention(engine, &text, &outcome->err);
    } else if (is(word, "prune")) {
        char *options = piece(item(words, 1));
        outcome->status = convoy_engine_prune(engine, TEXT(options), &text, &outcome->err);
        free(options);
    } else {
        return 0;
    }
    if (text.data != NULL) {
        outcome->told = strdup(text.data);
    }
    convoy_string_free(&text);
    return 1;
}

/* What is asked of a run, directly or through the engine. */
static int steered(const char *word, const char *one, struct outcome *outcome) {
    convoy_error **err = &outcome->err;
    convoy_string answer = {NULL, 0};
    if (is(word, "pause")) {
        outcome->status = convoy_run_pause(run, err);
    } else if (is(word, "unpause")) {
        outcome->status = convoy_run_unpause(run, err);
    } else if (is(word, "cancel")) {
        outcome->status = convoy_run_cancel(run, err);
    } else if (is(word, "interrupt")) {
        outcome->status = convoy_run_interrupt(run, TEXT(one), err);
    } else if (is(word, "ask_pause")) {
        outcome->status = convoy_engine_pause(engine, TEXT(convoy), -1, &answer, err);
    } else if (is(word, "ask_unpause")) {
        outcome->status = convoy_engine_unpause(engine, TEXT(convoy), -1, &answer, err);
    } else if (is(word, "ask_cancel")) {
        outcome->status = convoy_engine_cancel(engine, TEXT(convoy), -1, &answer, err);
    } else {
        return 0;
    }
    answered(&answer, outcome);
    return 1;
}

static struct outcome call(const char *words) {
    static const char *const runs[] = {"start", "resume", "retry", "publish"};
    struct outcome outcome = {CONVOY_OK, NULL, NULL};
    const char *word = item(words, 0);
    char *one, *two, *three;
    size_t at;
    for (at = 0; at < sizeof runs / sizeof *runs; at++) {
        if (is(word, runs[at])) {
            return follow(words);
        }
    }
    one = argument(words, 1);
    two = argument(words, 2);
    three = argument(words, 3);
    if (is(word, "open")) {
        open_gate(one);
    } else if (is(word, "shutdown")) {
        outcome.status = convoy_engine_shutdown(engine, &outcome.err);
        shut_down = 1;
    } else if (!steered(word, one, &outcome) && !decided(word, one, two, three, &outcome) &&
               !looked(word, one, two, &outcome) && !kept(words, one, two, &outcome)) {
        fail(words);
    }
    free(three);
    free(two);
    free(one);
    return outcome;
}

int main(int argc, char **argv) {
    convoy_error *err = NULL;
    if (argc != 2 || convoy_abi_version() != CONVOY_ABI_VERSION) {
        fail(argc != 2 ? "usage: host JOB" : "libconvoy is of another interface");
    }
    job = read_file(argv[1]);
    engine = build();
    calls_of(member(job, "main"));
    must(convoy_engine_shutdown(engine, &err), err);
    convoy_run_free(run);
    convoy_engine_free(engine);
    say("{\"end\":true}", NULL);
    return 0;
}
