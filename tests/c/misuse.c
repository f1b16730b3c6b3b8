/* What a host does wrong, and what is odd about it: a status each, never a crash, and everything let go once.
 *
 * misuse REPOSITORY    prints the first thing that does not hold, and exits with 1
 */
#define _POSIX_C_SOURCE 200809L
#include "support.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

static const char convoy[] = "{name: odd, version: 1, adapter: odd, tasks: [{id: a, prompt: p, max_retries: 0}]}";
static const char nobody[] = "convoy-00000000000000000000000000";
static const char report[] = "{\"outcome\":\"succeeded\"}";

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

/* What an adapter does when it is called, and what became of it. */
typedef struct host {
    void (*act)(struct host *host, uint64_t id);
    convoy_engine *engine;
    convoy_run *run;
    uint64_t id;
    int called, cancelled, destroyed, released, returned;
} host;

/* Changes a counter, and tells who waits for it. */
static void set(int *counter, int value) {
    pthread_mutex_lock(&lock);
    *counter = value;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static int get(int *counter) {
    int value;
    pthread_mutex_lock(&lock);
    value = *counter;
    pthread_mutex_unlock(&lock);
    return value;
}

static void wait_for(int *counter, int value) {
    pthread_mutex_lock(&lock);
    while (*counter != value) {
        pthread_cond_wait(&changed, &lock);
    }
    pthread_mutex_unlock(&lock);
}

static void execute(void *user_data, const char *request, size_t len, uint64_t id) {
    host *self = user_data;
    CHECK(strlen(request) == len);
    self->id = id;
    set(&self->called, 1);
    self->act(self, id);
    set(&self->returned, 1);
}

static void cancel(void *user_data, uint64_t id) {
    host *self = user_data;
    CHECK(id == self->id);
    set(&self->cancelled, get(&self->cancelled) + 1);
}

static void destroy(void *user_data) {
    host *self = user_data;
    set(&self->destroyed, get(&self->destroyed) + 1);
}

static convoy_agent_adapter adapter_of(host *self) {
    convoy_agent_adapter adapter = {0};
    adapter.struct_size = sizeof adapter;
    adapter.user_data = self;
    adapter.destroy = destroy;
    adapter.execute = execute;
    adapter.cancel = cancel;
    return adapter;
}

/* An engine with this adapter, and a run of it whose agent was called. */
static void begin(const char *repository, host *self) {
    convoy_engine_builder *builder = builder_for(repository, ",\"store\":\"memory\"");
    convoy_agent_adapter adapter = adapter_of(self);
    OK(convoy_engine_builder_add_adapter(builder, TEXT("{\"name\":\"odd\"}"), &adapter, &err));
    self->engine = engine_of(builder);
    OK(convoy_engine_start(self->engine, TEXT(convoy), NULL, 0, &self->run, &err));
    wait_for(&self->called, 1);
}

/* Waits for the end of the run; its result holds this text. */
static void ends(host *self, const char *text) {
    convoy_string result = {NULL, 0};
    OK(convoy_run_wait(self->run, -1, &result, &err));
    if (strstr(result.data, text) == NULL) {
        fprintf(stderr, "no %s in %s\n", text, result.data);
        exit(1);
    }
    convoy_string_free(&result);
}

/* Everything is freed, and the adapter destroyed once. */
static void let_go(host *self) {
    convoy_run_free(self->run);
    convoy_engine_free(self->engine);
    convoy_run_free(self->run);
    convoy_engine_free(self->engine);
    wait_for(&self->destroyed, 1);
}

static void wrong_arguments(const char *repository) {
    convoy_engine_builder *builder = NULL;
    convoy_engine *engine = NULL;
    convoy_run *run = (convoy_run *)&builder;
    convoy_string out = {NULL, 0};
    int number = 0;

    FAILS(convoy_engine_builder_new(NULL, 3, &builder, &err), CONVOY_NULL_ARGUMENT, "repository");
    FAILS(convoy_engine_builder_new(TEXT(""), &builder, &err), CONVOY_INVALID_ARGUMENT, "empty");
    FAILS(convoy_engine_builder_new(TEXT("\xff"), &builder, &err), CONVOY_BAD_UTF8, "byte 0");
    FAILS(convoy_engine_builder_new("x", (size_t)-1, &builder, &err), CONVOY_BAD_LENGTH, "length");
    FAILS(convoy_engine_builder_new(TEXT(repository), NULL, &err), CONVOY_NULL_ARGUMENT, "out");
    CHECK(builder == NULL && convoy_engine_builder_new(TEXT("\xff"), &builder, NULL) == CONVOY_BAD_UTF8);

    FAILS(convoy_engine_build(NULL, &engine, &err), CONVOY_NULL_ARGUMENT, "builder");
    FAILS(convoy_engine_list(NULL, &out, &err), CONVOY_NULL_ARGUMENT, "engine");
    FAILS(convoy_run_next_event(NULL, &out, &err), CONVOY_NULL_ARGUMENT, "run");
    FAILS(convoy_run_cancel(run, &err), CONVOY_BAD_HANDLE, "no live handle");
    convoy_run_free(run);
    convoy_engine_free(NULL);
    convoy_engine_builder_free(NULL);
    convoy_run_free(NULL);
    convoy_error_free(NULL);

    builder = builder_for(repository, ",\"store\":\"memory\"");
    FAILS(convoy_engine_builder_set_options(builder, TEXT("{\"envv\":{}}"), &err), CONVOY_BAD_JSON, "envv");
    FAILS(convoy_engine_builder_set_options(builder, NULL, 1, &err), CONVOY_NULL_ARGUMENT, "options");
    FAILS(convoy_engine_builder_set_options(builder, NULL, 0, &err), CONVOY_BAD_JSON, "`options` is empty: pass an object, as JSON");
    FAILS(convoy_engine_builder_set_options(builder, TEXT("{\"state_dir\":\"\"}"), &err), CONVOY_INVALID_ARGUMENT,
          "name a folder");
    FAILS(convoy_engine_list((convoy_engine *)builder, &out, &err), CONVOY_BAD_HANDLE, "another kind");
    convoy_engine_free((convoy_engine *)builder);
    OK(convoy_engine_build(builder, &engine, &err));
    FAILS(convoy_engine_build(builder, &engine, &err), CONVOY_USED_UP, "new one");
    FAILS(convoy_engine_builder_set_options(builder, TEXT("{}"), &err), CONVOY_USED_UP, "new one");
    convoy_engine_builder_free(builder);
    convoy_engine_builder_free(builder);
    FAILS(convoy_engine_build(builder, &engine, &err), CONVOY_BAD_HANDLE, "no live handle");

    FAILS(convoy_engine_start(engine, TEXT("tasks: 7"), NULL, 0, &run, &err), CONVOY_INVALID_SPEC, "errors");
    FAILS(convoy_engine_start(engine, TEXT(convoy), TEXT("{\"concurency\":1}"), &run, &err), CONVOY_BAD_JSON,
          "concurency");
    FAILS(convoy_engine_start(engine, TEXT(convoy), NULL, 0, NULL, &err), CONVOY_NULL_ARGUMENT, "out");
    FAILS(convoy_engine_status(engine, TEXT(nobody), &out, &err), CONVOY_NOT_FOUND, nobody);
    FAILS(convoy_engine_status(engine, TEXT(""), &out, &err), CONVOY_INVALID_ARGUMENT, "");
    FAILS(convoy_engine_is_running(engine, TEXT(nobody), &number, &err), CONVOY_NOT_FOUND, nobody);
    FAILS(convoy_engine_resume(engine, NULL, 0, &run, &err), CONVOY_NOTHING_TO_RESUME, "nothing");
    FAILS(convoy_engine_retry(engine, TEXT(nobody), TEXT("[7]"), &run, &err), CONVOY_BAD_JSON, "tasks");
    convoy_engine_free(engine);
    FAILS(convoy_engine_list(engine, &out, &err), CONVOY_BAD_HANDLE, "freed");
    CHECK(out.data == NULL && number == 0);
}

static void wrong_structures(const char *repository) {
    convoy_engine_builder *builder = builder_for(repository, "");
    host self = {0};
    convoy_agent_adapter adapter = adapter_of(&self);
    convoy_review_runner runner = {0};
    convoy_merge_queue queue = {0};
    convoy_host_code code = {0};
    struct {
        convoy_agent_adapter known;
        size_t unknown;
    } newer = {0};
    const char *named = "{\"name\":\"odd\"}";

    FAILS(convoy_engine_builder_add_adapter(builder, TEXT(named), NULL, &err), CONVOY_NULL_ARGUMENT, "adapter");
    adapter.struct_size = 0;
    FAILS(convoy_engine_builder_add_adapter(builder, TEXT(named), &adapter, &err), CONVOY_BAD_STRUCT, "sizeof");
    CHECK(get(&self.destroyed) == 0);
    adapter.struct_size = sizeof adapter - 1;
    FAILS(convoy_engine_builder_add_adapter(builder, TEXT(named), &adapter, &err), CONVOY_BAD_STRUCT, "sizeof");
    CHECK(get(&self.destroyed) == 1);
    adapter.struct_size = sizeof adapter;
    adapter.execute = NULL;
    FAILS(convoy_engine_builder_add_adapter(builder, TEXT(named), &adapter, &err), CONVOY_BAD_STRUCT, "execute");
    CHECK(get(&self.destroyed) == 2);
    adapter.execute = execute;
    FAILS(convoy_engine_builder_add_adapter(NULL, TEXT(named), &adapter, &err), CONVOY_NULL_ARGUMENT, "builder");
    CHECK(get(&self.destroyed) == 3);
    FAILS(convoy_engine_builder_add_adapter(builder, TEXT("{}"), &adapter, &err), CONVOY_BAD_JSON, "name");
    FAILS(convoy_engine_builder_add_adapter(builder, TEXT("{\"name\":\"A b\"}"), &adapter, &err),
          CONVOY_INVALID_ARGUMENT, "lower-case");
    FAILS(convoy_engine_builder_add_adapter(builder, TEXT("\xff"), &adapter, &err), CONVOY_BAD_UTF8, "byte 0");
    CHECK(get(&self.destroyed) == 6);
    newer.known = adapter;
    newer.known.struct_size = sizeof newer;
    newer.unknown = 1;
    FAILS(convoy_engine_builder_add_adapter(builder, TEXT(named), &newer.known, &err), CONVOY_BAD_STRUCT, "newer");
    CHECK(get(&self.destroyed) == 7);
    newer.unknown = 0;
    OK(convoy_engine_builder_add_adapter(builder, TEXT(named), &newer.known, &err));

    runner.struct_size = sizeof runner;
    runner.user_data = &self;
    runner.destroy = destroy;
    FAILS(convoy_engine_builder_set_review_runner(builder, TEXT(named), &runner, &err), CONVOY_BAD_STRUCT, "review");
    CHECK(get(&self.destroyed) == 8);
    queue.struct_size = sizeof queue;
    queue.user_data = &self;
    queue.destroy = destroy;
    FAILS(convoy_engine_builder_set_merge_queue(builder, &queue, &err), CONVOY_BAD_STRUCT, "prepare");
    CHECK(get(&self.destroyed) == 9);
    code.struct_size = sizeof code;
    code.user_data = &self;
    code.destroy = destroy;
    FAILS(convoy_engine_builder_add_gate(builder, TEXT("g"), &code, &err), CONVOY_BAD_STRUCT, "call");
    code.call = execute;
    FAILS(convoy_engine_builder_add_gate(builder, TEXT(""), &code, &err), CONVOY_INVALID_ARGUMENT, "name");
    FAILS(convoy_engine_builder_add_hook(builder, TEXT("\xff"), &code, &err), CONVOY_BAD_UTF8, "name");
    FAILS(convoy_engine_builder_add_prompt_source(NULL, TEXT("p"), &code, &err), CONVOY_NULL_ARGUMENT, "builder");
    CHECK(get(&self.destroyed) == 13);
    FAILS(convoy_engine_builder_add_prompt_source(builder, TEXT("p"), NULL, &err), CONVOY_NULL_ARGUMENT, "code");
    OK(convoy_engine_builder_add_hook(builder, TEXT("h"), &code, &err));
    convoy_engine_builder_free(builder);
    CHECK(get(&self.destroyed) == 15);
}

static void log_nothing(void *user_data, int32_t level, const char *record, size_t len) {
    (void)user_data;
    (void)level;
    (void)record;
    (void)len;
}

/* A destroy function that uses the builder which lets its user data go. */
typedef struct uses_builder {
    convoy_engine_builder *builder;
    convoy_status expected;
    int destroyed;
} uses_builder;

static void use_builder(void *user_data) {
    uses_builder *self = user_data;
    CHECK(convoy_engine_builder_set_options(self->builder, TEXT("{}"), NULL) == self->expected);
    set(&self->destroyed, get(&self->destroyed) + 1);
}

static void a_destroy_that_uses_its_builder(const char *repository) {
    convoy_engine_builder *builder = builder_for(repository, ",\"store\":\"memory\"");
    uses_builder self = {0};
    convoy_agent_adapter adapter = {0};
    convoy_engine *engine = NULL;
    self.builder = builder;
    self.expected = CONVOY_OK;
    adapter.struct_size = sizeof adapter;
    adapter.user_data = &self;
    adapter.destroy = use_builder;
    adapter.execute = execute;
    /* Replaced. */
    OK(convoy_engine_builder_set_log(builder, CONVOY_LOG_INFO, log_nothing, &self, use_builder, &err));
    OK(convoy_engine_builder_set_log(builder, CONVOY_LOG_INFO, NULL, NULL, NULL, &err));
    CHECK(get(&self.destroyed) == 1);
    OK(convoy_engine_build(builder, &engine, &err));
    /* Refused, as the builder is used up. */
    self.expected = CONVOY_USED_UP;
    FAILS(convoy_engine_builder_add_adapter(builder, TEXT("{\"name\":\"odd\"}"), &adapter, &err), CONVOY_USED_UP, "new one");
    FAILS(convoy_engine_builder_set_log(builder, CONVOY_LOG_INFO, log_nothing, &self, use_builder, &err), CONVOY_USED_UP,
          "new one");
    CHECK(get(&self.destroyed) == 3);
    convoy_engine_builder_free(builder);
    convoy_engine_free(engine);
}

/* Limits of adapters, and formulas. */
static void limits_and_formulas(const char *repository) {
    static const char formula[] = "name: f\nvariables: {NAME: {required: true}}\nspec: {name: f, tasks: [{id: a, prompt: \"Do {{NAME}}\"}]}\n";
    convoy_engine_builder *builder = builder_for(repository, ",\"adapter_limits\":{\"nobody\":{\"max_concurrent\":1}}");
    convoy_engine *engine = NULL;
    convoy_string out = {NULL, 0};
    FAILS(convoy_engine_build(builder, &engine, &err), CONVOY_INVALID_ARGUMENT, "nobody");
    convoy_engine_builder_free(builder);
    builder = builder_for(repository, ",\"profile_limits\":{\"nobody\":{\"max_concurrent\":0}}");
    FAILS(convoy_engine_build(builder, &engine, &err), CONVOY_INVALID_ARGUMENT, "at most 0");
    convoy_engine_builder_free(builder);
    builder = builder_for(repository, ",\"store\":\"memory\",\"git_backend\":\"reference\",\"profile_limits\":{\"mine\":{\"stagger_ms\":5}}");
    FAILS(convoy_engine_builder_set_options(builder, TEXT("{\"adapter_limits\":{\"x\":{\"max\":1}}}"), &err), CONVOY_BAD_JSON,
          "max");
    FAILS(convoy_engine_builder_set_options(builder, TEXT("{\"git_backend\":\"other\"}"), &err), CONVOY_BAD_JSON, "other");
    convoy_engine_free(engine_of(builder));

    OK(convoy_check_formula(TEXT(formula), TEXT("{\"NAME\":\"[it]\"}"), &out, &err));
    CHECK(strstr(out.data, "\"ok\":true") != NULL && strstr(out.data, "Do [it]") != NULL);
    convoy_string_free(&out);
    OK(convoy_check_formula(TEXT(formula), NULL, 0, &out, &err));
    CHECK(strstr(out.data, "\"ok\":false") != NULL && strstr(out.data, "\"spec\":null") != NULL);
    CHECK(strstr(out.data, "NAME") != NULL);
    convoy_string_free(&out);
    FAILS(convoy_check_formula(TEXT(formula), TEXT("{\"NAME\":7}"), &out, &err), CONVOY_BAD_JSON, "values");
    FAILS(convoy_check_formula(NULL, 1, NULL, 0, &out, &err), CONVOY_NULL_ARGUMENT, "text");
    FAILS(convoy_check_formula(TEXT(formula), NULL, 0, NULL, &err), CONVOY_NULL_ARGUMENT, "out");
}

static void wrong_completions(void) {
    uint64_t ids[] = {0, 77777, UINT64_MAX};
    size_t at;
    for (at = 0; at < sizeof ids / sizeof *ids; at++) {
        FAILS(convoy_completion_resolve(ids[at], TEXT(report), &err), CONVOY_NO_COMPLETION, "forget it");
        FAILS(convoy_completion_reject(ids[at], TEXT("no"), &err), CONVOY_NO_COMPLETION, "forget it");
        FAILS(convoy_completion_started(ids[at], 1, &err), CONVOY_NO_COMPLETION, "forget it");
        FAILS(convoy_completion_output(ids[at], 1, NULL, 0, &err), CONVOY_NO_COMPLETION, "forget it");
        FAILS(convoy_completion_output(ids[at], 3, NULL, 0, &err), CONVOY_BAD_NUMBER, "stream");
        FAILS(convoy_completion_session(ids[at], TEXT("s"), &err), CONVOY_NO_COMPLETION, "forget it");
    }
}

/* Answers at once, within the call, and once more. */
static void answers_twice(host *self, uint64_t id) {
    (void)self;
    FAILS(convoy_completion_resolve(id, TEXT("{"), &err), CONVOY_BAD_JSON, "result");
    FAILS(convoy_completion_resolve(id, NULL, 5, &err), CONVOY_NULL_ARGUMENT, "result");
    FAILS(convoy_completion_resolve(id, TEXT("\xff"), &err), CONVOY_BAD_UTF8, "byte 0");
    OK(convoy_completion_session(id, TEXT("s"), &err));
    OK(convoy_completion_resolve(id, TEXT(report), &err));
    FAILS(convoy_completion_resolve(id, TEXT(report), &err), CONVOY_NO_COMPLETION, "forget it");
    FAILS(convoy_completion_reject(id, TEXT("x"), &err), CONVOY_NO_COMPLETION, "forget it");
}

static void fails(host *self, uint64_t id) {
    (void)self;
    OK(convoy_completion_reject(id, TEXT("Oops: the host is out of order"), &err));
}

static void answered_in_the_call(const char *repository) {
    host twice = {0}, failing = {0};
    twice.act = answers_twice;
    begin(repository, &twice);
    ends(&twice, "\"status\":\"done\"");
    CHECK(get(&twice.cancelled) == 0);
    let_go(&twice);

    failing.act = fails;
    begin(repository, &failing);
    ends(&failing, "Oops: the host is out of order");
    let_go(&failing);
}

static void does_nothing(host *self, uint64_t id) {
    (void)self;
    (void)id;
}

/* What an engine that was shut down still answers: what asks nothing of its store. */
static void after_a_shutdown(const char *repository) {
    host self = {0};
    convoy_string out = {NULL, 0};
    convoy_run *run = NULL;
    self.act = answers_twice;
    begin(repository, &self);
    ends(&self, "\"status\":\"done\"");
    OK(convoy_engine_shutdown(self.engine, &err));
    OK(convoy_engine_shutdown(self.engine, &err));
    FAILS(convoy_engine_start(self.engine, TEXT(convoy), NULL, 0, &run, &err), CONVOY_CLOSED, "shut down");
    FAILS(convoy_engine_list(self.engine, &out, &err), CONVOY_CLOSED, "shut down");
    OK(convoy_engine_plan(self.engine, TEXT(convoy), NULL, 0, &out, &err));
    CHECK(strstr(out.data, "\"phases\":1") != NULL);
    convoy_string_free(&out);
    OK(convoy_engine_state_dir(self.engine, &out, &err));
    CHECK(out.len > 0);
    convoy_string_free(&out);
    let_go(&self);
}

/* An agent that never answers, whatever it is told. */
static void never_answered(const char *repository) {
    host self = {0};
    self.act = does_nothing;
    begin(repository, &self);
    CHECK(convoy_run_wait(self.run, 0, NULL, NULL) == CONVOY_TIMED_OUT);
    CHECK(convoy_run_wait(self.run, 1, NULL, NULL) == CONVOY_TIMED_OUT);
    OK(convoy_run_cancel(self.run, &err));
    ends(&self, "\"status\":\"cancelled\"");
    wait_for(&self.cancelled, 1);
    FAILS(convoy_completion_resolve(self.id, TEXT(report), &err), CONVOY_NO_COMPLETION, "forget it");
    let_go(&self);
}

/* What a gate says by not saying anything, and what names that nobody has. */
static void gates_that_misbehave(const char *repository) {
    static const char slow[] = "{name: slow, version: 1, adapter: odd, tasks: [{id: a, prompt: p, max_retries: 0,"
                               " host_gates: [g], gate_timeout: 1}]}";
    convoy_engine_builder *builder = builder_for(repository, ",\"store\":\"memory\"");
    convoy_agent_adapter adapter;
    convoy_host_code code = {0};
    host agent = {0}, gate = {0};
    agent.act = answers_twice;
    gate.act = does_nothing;
    adapter = adapter_of(&agent);
    OK(convoy_engine_builder_add_adapter(builder, TEXT("{\"name\":\"odd\",\"capabilities\":{\"resume\":true}}"), &adapter,
                                         &err));
    code.struct_size = sizeof code;
    code.user_data = &gate;
    code.destroy = destroy;
    code.call = execute;
    code.cancel = cancel;
    OK(convoy_engine_builder_add_gate(builder, TEXT("g"), &code, &err));
    agent.engine = engine_of(builder);
    FAILS(convoy_engine_start(agent.engine, TEXT("{name: n, version: 1, adapter: odd, tasks: [{id: a, prompt: p, host_gates: [x]}]}"),
                              NULL, 0, &agent.run, &err), CONVOY_UNSUPPORTED, "no gate `x`");
    OK(convoy_engine_start(agent.engine, TEXT(slow), NULL, 0, &agent.run, &err));
    ends(&agent, "limit of 1 s");
    wait_for(&gate.cancelled, 1);
    FAILS(convoy_completion_resolve(gate.id, TEXT("{\"outcome\":\"pass\"}"), &err), CONVOY_NO_COMPLETION, "forget it");
    let_go(&agent);
    wait_for(&gate.destroyed, 1);
}

/* What the engine tells of itself: kept as far as there is room. */
typedef struct journal {
    host ends;
    size_t len;
    char text[65536];
} journal;

static void keep(void *user_data, int32_t level, const char *record, size_t len) {
    journal *self = user_data;
    CHECK(strlen(record) == len && level >= CONVOY_LOG_ERROR && level <= CONVOY_LOG_DEBUG);
    CHECK((level == CONVOY_LOG_WARN) == (strstr(record, "\"level\":\"warn\"") != NULL));
    if (self->len + len + 1 < sizeof self->text) {
        memcpy(self->text + self->len, record, len);
        self->len += len;
        self->text[self->len++] = '\n';
    }
}

/* A secret that the agent, a person and the host's own code say is in no record, and the records are all there. */
static void logs_without_secrets(const char *repository) {
    static journal told;
    static const char spec[] = "{name: odd, version: 1, adapter: odd, tasks: [{id: a, prompt: p, max_retries: 0}]}";
    convoy_engine_builder *builder = builder_for(repository, ",\"store\":\"memory\",\"secrets\":[\"correct horse battery\"]");
    convoy_agent_adapter adapter;
    convoy_string id = {NULL, 0};
    host self = {0};
    self.act = does_nothing;
    adapter = adapter_of(&self);
    FAILS(convoy_engine_builder_set_log(builder, 0, keep, &told, destroy, &err), CONVOY_BAD_NUMBER, "level");
    FAILS(convoy_engine_builder_set_log(NULL, CONVOY_LOG_INFO, keep, &told, destroy, &err), CONVOY_NULL_ARGUMENT, "builder");
    OK(convoy_engine_builder_set_log(builder, CONVOY_LOG_INFO, keep, &told, destroy, &err));
    OK(convoy_engine_builder_set_log(builder, CONVOY_LOG_INFO, NULL, NULL, NULL, &err));
    CHECK(get(&told.ends.destroyed) == 3);
    OK(convoy_engine_builder_set_log(builder, CONVOY_LOG_DEBUG, keep, &told, destroy, &err));
    OK(convoy_engine_builder_add_adapter(builder, TEXT("{\"name\":\"odd\"}"), &adapter, &err));
    self.engine = engine_of(builder);
    OK(convoy_engine_start(self.engine, TEXT(spec), NULL, 0, &self.run, &err));
    wait_for(&self.called, 1);
    OK(convoy_run_id(self.run, &id, &err));
    FAILS(convoy_engine_approve(self.engine, id.data, id.len, TEXT("a"), NULL, 0, TEXT("correct horse battery"), -1, NULL, &err),
          CONVOY_STATE, "approval");
    OK(convoy_completion_reject(self.id, TEXT("it said correct horse battery"), &err));
    ends(&self, "\"failed\"");
    let_go(&self);
    /* Then every record has been handed over. */
    wait_for(&told.ends.destroyed, 4);
    CHECK(told.len > 0 && strstr(told.text, "correct horse") == NULL);
    CHECK(strstr(told.text, "it said [REDACTED") != NULL && strstr(told.text, "was refused") != NULL);
    CHECK(strstr(told.text, "\"event\":\"convoy_started\"") < strstr(told.text, "\"event\":\"task_"));
    CHECK(strstr(told.text, "\"event\":\"convoy_started\"") != NULL && strstr(told.text, "the convoy began") != NULL);
    CHECK(strstr(told.text, id.data) != NULL && strstr(told.text, "\"task\":\"a\"") != NULL);
    CHECK(strstr(told.text, "\"event\":\"task_failed\"") != NULL && strstr(told.text, "\"attempt\":1") != NULL);
    convoy_string_free(&id);
}

/* What became of a request: granted, refused with its reason, kept for the next engine, or not known yet. */
static void answers_of_requests(const char *repository) {
    host self = {0};
    convoy_string id = {NULL, 0}, answer = {NULL, 0};
    convoy_status status;
    self.act = does_nothing;
    begin(repository, &self);
    OK(convoy_run_id(self.run, &id, &err));
    OK(convoy_engine_pause(self.engine, id.data, id.len, -1, &answer, &err));
    CHECK(strcmp(answer.data, "{\"answer\":\"granted\"}") == 0);
    convoy_string_free(&answer);
    OK(convoy_engine_unpause(self.engine, id.data, id.len, 60000, NULL, &err));
    FAILS(convoy_engine_approve(self.engine, id.data, id.len, TEXT("a"), NULL, 0, NULL, 0, -1, &answer, &err),
          CONVOY_STATE, "does not wait for approval");
    FAILS(convoy_engine_reject(self.engine, id.data, id.len, TEXT("b"), NULL, 0, -1, &answer, &err), CONVOY_STATE,
          "no such task");
    FAILS(convoy_engine_accept(self.engine, id.data, id.len, TEXT("a"), TEXT("HEAD"), NULL, 0, -1, &answer, &err),
          CONVOY_STATE, "cannot be replaced");
    FAILS(convoy_engine_approve(self.engine, id.data, id.len, TEXT("a"), TEXT("xyz"), NULL, 0, -1, &answer, &err),
          CONVOY_INVALID_ARGUMENT, "xyz");
    FAILS(convoy_engine_pause(self.engine, NULL, 1, -1, &answer, &err), CONVOY_NULL_ARGUMENT, "convoy");
    FAILS(convoy_engine_cancel(self.engine, TEXT(nobody), -1, &answer, &err), CONVOY_NOT_FOUND, nobody);
    FAILS(convoy_engine_skip(NULL, id.data, id.len, TEXT("a"), NULL, 0, -1, &answer, &err), CONVOY_NULL_ARGUMENT, "engine");
    CHECK(answer.data == NULL);
    /* It is sent also when nobody waits for the answer. */
    status = convoy_engine_skip(self.engine, id.data, id.len, TEXT("a"), TEXT("not needed"), 0, NULL, NULL);
    CHECK(status == CONVOY_OK || status == CONVOY_TIMED_OUT);
    ends(&self, "\"status\":\"skipped\"");
    FAILS(convoy_engine_pause(self.engine, id.data, id.len, -1, NULL, &err), CONVOY_STATE, "is over");
    convoy_string_free(&id);
    let_go(&self);
}

/* The engine goes while an agent works. */
static void answered_too_late(const char *repository) {
    host self = {0};
    self.act = does_nothing;
    begin(repository, &self);
    convoy_engine_free(self.engine);
    ends(&self, "\"ended\":\"interrupted\"");
    wait_for(&self.cancelled, 1);
    FAILS(convoy_completion_resolve(self.id, TEXT(report), &err), CONVOY_NO_COMPLETION, "forget it");
    FAILS(convoy_completion_output(self.id, 1, NULL, 0, &err), CONVOY_NO_COMPLETION, "forget it");
    let_go(&self);
}

static void hangs(host *self, uint64_t id) {
    (void)id;
    wait_for(&self->released, 1);
}

/* The function of the host does not return: nobody but its thread waits for it. */
static void a_hanging_callback(const char *repository) {
    host self = {0};
    self.act = hangs;
    begin(repository, &self);
    OK(convoy_run_cancel(self.run, &err));
    ends(&self, "\"status\":\"cancelled\"");
    OK(convoy_engine_shutdown(self.engine, &err));
    convoy_run_free(self.run);
    convoy_engine_free(self.engine);
    CHECK(get(&self.returned) == 0 && get(&self.cancelled) == 0 && get(&self.destroyed) == 0);
    set(&self.released, 1);
    wait_for(&self.destroyed, 1);
    CHECK(get(&self.returned) == 1 && get(&self.cancelled) == 1);
}

static void frees_its_engine(host *self, uint64_t id) {
    /* `begin` has not told which run it is: the engine is all that is known. */
    convoy_engine_free(self->engine);
    (void)convoy_completion_resolve(id, TEXT(report), NULL);
}

static void a_callback_that_frees_its_engine(const char *repository) {
    host self = {0};
    self.act = frees_its_engine;
    begin(repository, &self);
    ends(&self, "\"ended\":");
    wait_for(&self.returned, 1);
    let_go(&self);
}

/* Woken: reads one event, then frees the run whose event it is. */
static void free_run(void *user_data) {
    host *self = user_data;
    convoy_string event = {NULL, 0};
    CHECK(convoy_run_next_event(self->run, &event, NULL) == CONVOY_OK);
    convoy_string_free(&event);
    convoy_run_free(self->run);
    CHECK(convoy_run_next_event(self->run, &event, NULL) == CONVOY_BAD_HANDLE);
    set(&self->called, 2);
}

static void a_callback_that_frees_its_run(const char *repository) {
    host self = {0}, waker = {0};
    self.act = does_nothing;
    begin(repository, &self);
    waker.run = self.run;
    FAILS(convoy_run_set_wake(NULL, free_run, &waker, destroy, &err), CONVOY_NULL_ARGUMENT, "run");
    wait_for(&waker.destroyed, 1);
    OK(convoy_run_set_wake(self.run, free_run, &waker, destroy, &err));
    wait_for(&waker.called, 2);
    wait_for(&waker.destroyed, 2);
    let_go(&self);
}

static void *free_it(void *run) {
    convoy_run_free(run);
    return NULL;
}

/* One thread waits for events, another frees the run. */
static void freed_while_waited_for(const char *repository) {
    host self = {0};
    convoy_string event = {NULL, 0};
    convoy_status status;
    pthread_t thread;
    self.act = does_nothing;
    begin(repository, &self);
    OK(convoy_run_events_after(self.run, 0, &err));
    CHECK(convoy_run_next_events(self.run, 0, &event, NULL) == CONVOY_BAD_NUMBER);
    CHECK(convoy_run_wait_event(self.run, -1, &event, NULL) == CONVOY_OK);
    CHECK(strstr(event.data, "\"convoy_started\"") != NULL);
    convoy_string_free(&event);
    FAILS(convoy_run_events_after(self.run, 0, &err), CONVOY_STATE, "read already");
    CHECK(pthread_create(&thread, NULL, free_it, self.run) == 0);
    while ((status = convoy_run_wait_event(self.run, -1, &event, NULL)) == CONVOY_OK) {
        convoy_string_free(&event);
    }
    CHECK(status == CONVOY_END || status == CONVOY_BAD_HANDLE);
    CHECK(pthread_join(thread, NULL) == 0);
    let_go(&self);
}

static void a_fork(const char *repository) {
    host self = {0};
    pid_t child;
    int ended = 0;
    self.act = does_nothing;
    begin(repository, &self);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        convoy_engine_builder *builder = NULL;
        convoy_string out = {NULL, 0};
        FAILS(convoy_engine_list(self.engine, &out, &err), CONVOY_FORKED, "fork");
        FAILS(convoy_run_next_event(self.run, &out, &err), CONVOY_FORKED, "fork");
        FAILS(convoy_completion_resolve(self.id, TEXT(report), &err), CONVOY_FORKED, "fork");
        FAILS(convoy_engine_builder_new(TEXT(repository), &builder, &err), CONVOY_FORKED, "fork");
        convoy_run_free(self.run);
        convoy_engine_free(self.engine);
        _exit(0);
    }
    CHECK(waitpid(child, &ended, 0) == child && WIFEXITED(ended) && WEXITSTATUS(ended) == 0);
    OK(convoy_completion_resolve(self.id, TEXT(report), &err));
    ends(&self, "\"status\":\"done\"");
    let_go(&self);
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    wrong_arguments(argv[1]);
    wrong_structures(argv[1]);
    wrong_completions();
    answered_in_the_call(argv[1]);
    never_answered(argv[1]);
    logs_without_secrets(argv[1]);
    answers_of_requests(argv[1]);
    gates_that_misbehave(argv[1]);
    a_destroy_that_uses_its_builder(argv[1]);
    after_a_shutdown(argv[1]);
    limits_and_formulas(argv[1]);
    answered_too_late(argv[1]);
    a_hanging_callback(argv[1]);
    a_callback_that_frees_its_engine(argv[1]);
    a_callback_that_frees_its_run(argv[1]);
    freed_while_waited_for(argv[1]);
    a_fork(argv[1]);
    return 0;
}
