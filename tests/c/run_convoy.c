/* A whole convoy, run by a C program whose agent is C code.
 *
 * run_convoy REPOSITORY    prints the types of the events of the run, then how it ended
 */
#define _POSIX_C_SOURCE 200809L
#include "support.h"

#include <poll.h>
#include <pthread.h>

static const char convoy[] = "name: two files\nversion: 1\nadapter: scribe\nconcurrency: 2\ntasks:\n"
                             "  - {id: one, prompt: Write one.txt}\n"
                             "  - {id: two, prompt: Write two.txt, depends_on: [one]}\n";

/* Counts what is called, to show that everything is let go once. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int executed, destroyed;

/* One run of the agent, on a thread of its own. */
typedef struct job {
    char *request;
    uint64_t id;
} job;

/* Writes the file that the prompt names last. */
static void *work(void *argument) {
    job *job = argument;
    static const char report[] = "{\"outcome\":\"succeeded\",\"result_text\":\"written\",\"usage\":{\"output\":3}}";
    char *cwd = member(job->request, "cwd"), *prompt = member(job->request, "prompt");
    char path[4096];
    FILE *file;
    CHECK(cwd != NULL && prompt != NULL);
    snprintf(path, sizeof path, "%s/%s", cwd, strrchr(prompt, ' ') + 1);
    file = fopen(path, "w");
    CHECK(file != NULL && fputs("written in C\n", file) >= 0 && fclose(file) == 0);
    OK(convoy_completion_output(job->id, 1, (const uint8_t *)"writing\n", 8, &err));
    FAILS(convoy_completion_resolve(job->id, TEXT("{\"outcome\":\"fine\"}"), &err), CONVOY_BAD_JSON, "fine");
    OK(convoy_completion_resolve(job->id, TEXT(report), &err));
    FAILS(convoy_completion_resolve(job->id, TEXT(report), &err), CONVOY_NO_COMPLETION, "answered before");
    free(cwd);
    free(prompt);
    free(job->request);
    free(job);
    return NULL;
}

static void execute(void *user_data, const char *request, size_t len, uint64_t id) {
    job *job = malloc(sizeof *job);
    pthread_t thread;
    CHECK(user_data == &lock && strlen(request) == len && job != NULL);
    job->request = malloc(len + 1);
    CHECK(job->request != NULL);
    memcpy(job->request, request, len + 1);
    job->id = id;
    pthread_mutex_lock(&lock);
    executed++;
    pthread_mutex_unlock(&lock);
    CHECK(pthread_create(&thread, NULL, work, job) == 0 && pthread_detach(thread) == 0);
}

static void destroy(void *user_data) {
    CHECK(user_data == &lock);
    pthread_mutex_lock(&lock);
    destroyed++;
    pthread_mutex_unlock(&lock);
}

/* Prints the events; stored ones by their type only. */
static void print_events(convoy_run *run) {
    convoy_status status;
    convoy_string event = {NULL, 0};
    int descriptor = -1;
    OK(convoy_run_event_fd(run, &descriptor, &err));
    for (;;) {
        char *type;
        convoy_error *err = NULL;
        status = convoy_run_next_event(run, &event, &err);
        CHECK(err == NULL);
        if (status == CONVOY_EMPTY) {
            struct pollfd poll_for = {0};
            poll_for.fd = descriptor;
            poll_for.events = POLLIN;
            CHECK(poll(&poll_for, 1, -1) == 1);
            continue;
        }
        if (status == CONVOY_END) {
            return;
        }
        CHECK(status == CONVOY_OK);
        type = member(event.data, "type");
        if (strcmp(type, "task_output") != 0) {
            puts(type);
        }
        free(type);
        convoy_string_free(&event);
    }
}

/* The record of the convoy as a file, which must be new. */
static void exports(convoy_engine *engine, convoy_run *run, const char *repository) {
    char path[4096];
    convoy_string id = {NULL, 0};
    uint64_t written = 0;
    int lines = 0, c;
    FILE *file;
    snprintf(path, sizeof path, "%s/.git/record.ndjson", repository);
    OK(convoy_run_id(run, &id, &err));
    OK(convoy_engine_export(engine, id.data, id.len, TEXT(path), &written, &err));
    FAILS(convoy_engine_export(engine, id.data, id.len, TEXT(path), NULL, &err), CONVOY_INVALID_ARGUMENT, "there already");
    file = fopen(path, "r");
    CHECK(file != NULL);
    while ((c = fgetc(file)) != EOF) {
        lines += c == '\n';
    }
    CHECK(written > 0 && (uint64_t)lines == written && fclose(file) == 0 && remove(path) == 0);
    convoy_string_free(&id);
}

/* What would go is told when that is asked for as it must be. */
static void prunes(convoy_engine *engine, convoy_run *run) {
    char options[256];
    convoy_string id = {NULL, 0}, out = {NULL, 0};
    OK(convoy_run_id(run, &id, &err));
    FAILS(convoy_engine_prune(engine, NULL, 1, &out, &err), CONVOY_NULL_ARGUMENT, "options");
    FAILS(convoy_engine_prune(engine, TEXT("{\"all\":true}"), NULL, &err), CONVOY_NULL_ARGUMENT, "out");
    FAILS(convoy_engine_prune(engine, TEXT("{\"age\":1}"), &out, &err), CONVOY_BAD_JSON, "age");
    FAILS(convoy_engine_prune(engine, TEXT("[[],1]"), &out, &err), CONVOY_BAD_JSON, "an object");
    FAILS(convoy_engine_prune(engine, TEXT("{}"), &out, &err), CONVOY_INVALID_ARGUMENT, "nothing says which");
    /* It was applied when the engine was built. */
    OK(convoy_engine_last_retention(engine, &out, &err));
    CHECK(strstr(out.data, "\"pruned\":[]") != NULL && strstr(out.data, "\"dry_run\":false") != NULL);
    convoy_string_free(&out);
    FAILS(convoy_engine_last_retention(engine, NULL, &err), CONVOY_NULL_ARGUMENT, "out");
    snprintf(options, sizeof options, "{\"convoys\":[\"%s\"],\"dry_run\":true}", id.data);
    OK(convoy_engine_prune(engine, TEXT(options), &out, &err));
    CHECK(strstr(out.data, "\"dry_run\":true") != NULL && strstr(out.data, id.data) != NULL);
    CHECK(strstr(out.data, "\"status\":\"done\"") != NULL && strstr(out.data, "\"kept\":[]") != NULL);
    convoy_string_free(&out);
    convoy_string_free(&id);
}

int main(int argc, char **argv) {
    convoy_agent_adapter adapter = {0};
    convoy_engine_builder *builder;
    convoy_engine *engine;
    convoy_run *run = NULL;
    convoy_string text = {NULL, 0};

    CHECK(argc == 2);
    builder = builder_for(argv[1], ",\"keep_convoys\":5");
    adapter.struct_size = sizeof adapter;
    adapter.user_data = &lock;
    adapter.destroy = destroy;
    adapter.execute = execute;
    OK(convoy_engine_builder_add_adapter(builder, TEXT("{\"name\":\"scribe\"}"), &adapter, &err));
    engine = engine_of(builder);
    OK(convoy_engine_start(engine, convoy, strlen(convoy), NULL, 0, &run, &err));
    print_events(run);
    OK(convoy_run_wait(run, -1, &text, &err));
    CHECK(strstr(text.data, "\"ended\":\"finished\"") != NULL);
    CHECK(strstr(text.data, "\"done\":2") != NULL);
    convoy_string_free(&text);
    CHECK(convoy_run_wait(run, 0, NULL, NULL) == CONVOY_OK);
    exports(engine, run, argv[1]);
    prunes(engine, run);
    OK(convoy_engine_shutdown(engine, &err));
    FAILS(convoy_engine_list(engine, &text, &err), CONVOY_CLOSED, "");
    convoy_run_free(run);
    convoy_engine_free(engine);
    CHECK(executed == 2);
    return 0;
}
