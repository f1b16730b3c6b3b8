/* A merge queue in C that does not answer, and what its engine does about it when it ends.
 *
 * landings REPOSITORY    one convoy through four engines: the first is freed while `prepare` has no answer, the second
 *                        shut down by the only thread that could answer, after `advance` has moved the ref; the third
 *                        is answered only when it asks for an end; the fourth finds everything done. Prints what the
 *                        queue was asked.
 */
#define _POSIX_C_SOURCE 200809L
#include "support.h"

#include <pthread.h>

static const char convoy[] = "{name: landings, version: 1, adapter: scribe, tasks: [{id: one, prompt: p, max_retries: 0},"
                             " {id: two, prompt: p, max_retries: 0, depends_on: [one]}]}";
static const char *repository;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

/* Which step is not answered, and which was asked last and has no answer yet. */
static struct {
    const char *silent, *answers_to_cancel;
    uint64_t open;
    int cancelled, destroyed, agents;
} queue_state;

static void destroy(void *user_data) {
    (void)user_data;
    pthread_mutex_lock(&lock);
    queue_state.destroyed++;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void answer(uint64_t id, const char *text) {
    OK(convoy_completion_resolve(id, TEXT(text), &err));
}

/* Whether this step is to have no answer; its number is kept then. */
static int keeps_silent(const char *step, uint64_t id) {
    int silent;
    printf("%s\n", step);
    pthread_mutex_lock(&lock);
    silent = strcmp(queue_state.silent, step) == 0;
    if (silent) {
        queue_state.open = id;
        pthread_cond_broadcast(&changed);
    }
    pthread_mutex_unlock(&lock);
    return silent;
}

static void execute(void *user_data, const char *request, size_t len, uint64_t id) {
    char *cwd = member(request, "cwd"), *task = member(request, "task");
    char path[4096];
    (void)user_data;
    CHECK(strlen(request) == len && cwd != NULL && task != NULL);
    snprintf(path, sizeof path, "%s/%s.txt", cwd, task);
    write_file(path, "written once\n");
    pthread_mutex_lock(&lock);
    queue_state.agents++;
    pthread_mutex_unlock(&lock);
    free(cwd);
    free(task);
    answer(id, "{\"outcome\":\"succeeded\"}");
}

static void prepare(void *user_data, const char *request, size_t len, uint64_t id) {
    char *tip = member(request, "tip"), *work = member(request, "work"), *message = member(request, "message");
    char command[8192], tree[128], commit[128], text[512];
    (void)user_data;
    CHECK(strlen(request) == len && tip != NULL && work != NULL && message != NULL);
    if (!keeps_silent("prepare", id)) {
        snprintf(command, sizeof command, "git -C '%s' merge-tree --write-tree %s %s", repository, tip, work);
        CHECK(line_of(command, tree, sizeof tree) == 0);
        snprintf(command, sizeof command, "git -C '%s' commit-tree %s -p %s -p %s -m \"$(printf '%%b' '%s')\"", repository,
                 tree, tip, work, message);
        CHECK(line_of(command, commit, sizeof commit) == 0);
        snprintf(text, sizeof text, "{\"outcome\":\"prepared\",\"commit\":\"%s\"}", commit);
        answer(id, text);
    }
    free(tip);
    free(work);
    free(message);
}

/* Moves the ref, whether it answers or not. */
static void advance(void *user_data, const char *request, size_t len, uint64_t id) {
    char *ref = member(request, "integration_ref"), *commit = member(request, "commit"), *onto = member(request, "onto");
    char command[8192], line[128];
    int there;
    (void)user_data;
    CHECK(strlen(request) == len && ref != NULL && commit != NULL && onto != NULL);
    snprintf(command, sizeof command, "git -C '%s' merge-base --is-ancestor %s %s", repository, commit, ref);
    there = line_of(command, line, sizeof line) == 0;
    snprintf(command, sizeof command, "git -C '%s' update-ref %s %s %s", repository, ref, commit, onto);
    CHECK(there || line_of(command, line, sizeof line) == 0);
    if (!keeps_silent(there ? "advance, is there" : "advance", id)) {
        answer(id, "{\"outcome\":\"advanced\"}");
    }
    free(ref);
    free(commit);
    free(onto);
}

static void settle(void *user_data, const char *request, size_t len, uint64_t id) {
    (void)user_data;
    CHECK(strlen(request) == len && !keeps_silent("settle", id));
    answer(id, "{\"outcome\":\"not-landed\"}");
}

static void cancel(void *user_data, uint64_t id) {
    const char *text;
    (void)user_data;
    pthread_mutex_lock(&lock);
    CHECK(id == queue_state.open);
    queue_state.cancelled++;
    text = queue_state.answers_to_cancel;
    pthread_mutex_unlock(&lock);
    if (text != NULL) {
        answer(id, text);
    }
    pthread_mutex_lock(&lock);
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

/* An engine whose queue does not answer this step. */
static convoy_engine *engine_with(const char *silent, const char *answers_to_cancel) {
    /* What is answered must be waited for, however busy the machine is; what is not, ends soon. */
    const char *grace = answers_to_cancel != NULL ? ",\"grace_ms\":600000" : ",\"grace_ms\":100";
    convoy_engine_builder *builder = builder_for(repository, grace);
    convoy_agent_adapter adapter = {0};
    convoy_merge_queue queue = {0};
    queue_state.silent = silent;
    queue_state.answers_to_cancel = answers_to_cancel;
    queue_state.open = 0;
    queue_state.cancelled = queue_state.destroyed = 0;
    adapter.struct_size = sizeof adapter;
    adapter.execute = execute;
    OK(convoy_engine_builder_add_adapter(builder, TEXT("{\"name\":\"scribe\"}"), &adapter, &err));
    queue.struct_size = sizeof queue;
    queue.destroy = destroy;
    queue.prepare = prepare;
    queue.advance = advance;
    queue.settle = settle;
    queue.cancel = cancel;
    OK(convoy_engine_builder_set_merge_queue(builder, &queue, &err));
    return engine_of(builder);
}

static void wait_until_asked(void) {
    pthread_mutex_lock(&lock);
    while (queue_state.open == 0) {
        pthread_cond_wait(&changed, &lock);
    }
    pthread_mutex_unlock(&lock);
}

/* The run has ended with this in its result; the queue was cancelled so often, and is let go. */
static void ends(convoy_engine *engine, convoy_run *run, const char *text, int cancelled) {
    convoy_string result = {NULL, 0};
    OK(convoy_run_wait(run, -1, &result, &err));
    if (strstr(result.data, text) == NULL) {
        fprintf(stderr, "no %s in %s\n", text, result.data);
        exit(1);
    }
    convoy_string_free(&result);
    convoy_run_free(run);
    convoy_engine_free(engine);
    pthread_mutex_lock(&lock);
    while (queue_state.destroyed != 1 || queue_state.cancelled != cancelled) {
        pthread_cond_wait(&changed, &lock);
    }
    pthread_mutex_unlock(&lock);
    printf("-- %s\n", text);
}

int main(int argc, char **argv) {
    convoy_engine *engine;
    convoy_run *run = NULL;
    CHECK(argc == 2);
    repository = argv[1];
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);

    engine = engine_with("prepare", NULL);
    OK(convoy_engine_start(engine, TEXT(convoy), NULL, 0, &run, &err));
    wait_until_asked();
    convoy_engine_free(engine);
    ends(engine, run, "\"ended\":\"interrupted\"", 1);
    FAILS(convoy_completion_resolve(queue_state.open, TEXT("{\"outcome\":\"nothing-to-land\"}"), &err), CONVOY_NO_COMPLETION,
          "forget it");

    engine = engine_with("advance", NULL);
    OK(convoy_engine_resume(engine, NULL, 0, &run, &err));
    wait_until_asked();
    OK(convoy_engine_shutdown(engine, &err));
    FAILS(convoy_completion_resolve(queue_state.open, TEXT("{\"outcome\":\"advanced\"}"), &err), CONVOY_NO_COMPLETION,
          "forget it");
    ends(engine, run, "\"ended\":\"interrupted\"", 1);

    /* What is answered when an end is asked for counts; what would come next is not asked any more. */
    engine = engine_with("advance", "{\"outcome\":\"advanced\"}");
    OK(convoy_engine_resume(engine, NULL, 0, &run, &err));
    wait_until_asked();
    OK(convoy_engine_shutdown(engine, &err));
    ends(engine, run, "\"done\":2", 1);

    engine = engine_with("", NULL);
    OK(convoy_engine_resume(engine, NULL, 0, &run, &err));
    ends(engine, run, "\"status\":\"done\"", 0);
    CHECK(queue_state.agents == 2);
    return 0;
}
