/* A reviewer, a merge queue, a gate, a prompt source and a hook that are C code.
 *
 * hosts REPOSITORY    runs a convoy of two tasks; the reviewer blocks the first piece of work once, the queue says
 *                     once that the ref moved, though it did not, and the gate fails once. Prints what they were asked.
 */
#define _POSIX_C_SOURCE 200809L
#include "support.h"

#include <pthread.h>
#include <unistd.h>

static const char convoy[] = "name: hosts\nversion: 1\nadapter: scribe\nconcurrency: 1\ndefaults: {review: fast}\ntasks:\n"
                             "  - {id: one, prompt: Write one.txt, max_retries: 1, host_prompts: [style],"
                             " hooks: [{type: host, name: stamp}]}\n"
                             "  - {id: two, prompt: Write two.txt, max_retries: 1, depends_on: [one], host_gates: [judge]}\n";

static const char *repository;
static int reviews, advances, judged, destroyed;

/* The functions of this program come one after the other, as one task runs at a time; this makes it certain. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void destroy(void *user_data) {
    (void)user_data;
    pthread_mutex_lock(&lock);
    destroyed++;
    pthread_mutex_unlock(&lock);
}

static void answer(uint64_t id, const char *text) {
    OK(convoy_completion_resolve(id, TEXT(text), &err));
}

static void execute(void *user_data, const char *request, size_t len, uint64_t id) {
    char *cwd = member(request, "cwd"), *name;
    char path[4096];
    (void)user_data;
    (void)len;
    CHECK(cwd != NULL);
    name = strstr(request, "Write two.txt") != NULL ? "two.txt" : "one.txt";
    CHECK((strstr(request, "As short as C.") != NULL) == (strcmp(name, "one.txt") == 0));
    snprintf(path, sizeof path, "%s/%s", cwd, name);
    write_file(path, strstr(request, "needs a second look") != NULL || strstr(request, "too small for C") != NULL
                         ? "second\n"
                         : "first\n");
    free(cwd);
    answer(id, "{\"outcome\":\"succeeded\"}");
}

static void review(void *user_data, const char *request, size_t len, uint64_t id) {
    (void)user_data;
    CHECK(strlen(request) == len);
    CHECK(strstr(request, "\"level\":\"fast\"") != NULL && strstr(request, "\"diff\":\"diff --git") != NULL);
    OK(convoy_completion_output(id, 1, (const uint8_t *)"looking\n", 8, &err));
    FAILS(convoy_completion_session(id, TEXT("s"), &err), CONVOY_STATE, "no such thing");
    reviews++;
    puts(reviews == 1 ? "review: block" : "review: pass");
    answer(id, reviews == 1 ? "{\"verdict\":\"block\",\"text\":\"it needs a second look\"}" : "{\"verdict\":\"pass\"}");
}

static void prepare(void *user_data, const char *request, size_t len, uint64_t id) {
    char *tip = member(request, "tip"), *work = member(request, "work"), *message = member(request, "message");
    char command[8192], tree[128], commit[128], text[512];
    (void)user_data;
    CHECK(strlen(request) == len && tip != NULL && work != NULL && strstr(request, "\"message\":\"") != NULL);
    FAILS(convoy_completion_output(id, 1, NULL, 0, &err), CONVOY_STATE, "no such thing");
    snprintf(command, sizeof command, "git -C '%s' merge-tree --write-tree %s %s", repository, tip, work);
    CHECK(line_of(command, tree, sizeof tree) == 0);
    /* The trailers of the message that is asked for belong to it, as they stand in JSON: printf reads the escapes. */
    CHECK(message != NULL && strstr(message, "\\n\\n") != NULL);
    snprintf(command, sizeof command, "git -C '%s' commit-tree %s -p %s -p %s -m \"$(printf '%%b' 'Landed in C%s')\"",
             repository, tree, tip, work, strstr(message, "\\n\\n"));
    CHECK(line_of(command, commit, sizeof commit) == 0);
    puts("queue: prepare");
    snprintf(text, sizeof text, "{\"outcome\":\"prepared\",\"commit\":\"%s\"}", commit);
    answer(id, text);
    free(tip);
    free(work);
    free(message);
}

static void advance(void *user_data, const char *request, size_t len, uint64_t id) {
    char *ref = member(request, "integration_ref"), *commit = member(request, "commit"), *onto = member(request, "onto");
    char command[8192], line[128], text[512];
    (void)user_data;
    CHECK(strlen(request) == len && strstr(request, "\"fence\":") != NULL);
    if (++advances == 1) {
        puts("queue: moved");
        snprintf(text, sizeof text, "{\"outcome\":\"moved\",\"now\":\"%s\"}", onto);
    } else {
        snprintf(command, sizeof command, "git -C '%s' update-ref %s %s %s", repository, ref, commit, onto);
        CHECK(line_of(command, line, sizeof line) == 0);
        puts("queue: advance");
        snprintf(text, sizeof text, "{\"outcome\":\"advanced\"}");
    }
    answer(id, text);
    free(ref);
    free(commit);
    free(onto);
}

static void settle(void *user_data, const char *request, size_t len, uint64_t id) {
    char *ref = member(request, "integration_ref"), *commit = member(request, "commit");
    char command[8192], line[128];
    (void)user_data;
    CHECK(strlen(request) == len);
    snprintf(command, sizeof command, "git -C '%s' merge-base --is-ancestor %s %s", repository, commit, ref);
    answer(id, line_of(command, line, sizeof line) == 0 ? "{\"outcome\":\"landed\"}" : "{\"outcome\":\"not-landed\"}");
    free(ref);
    free(commit);
}

/* One function for all three: the request says which is meant. */
static void call(void *user_data, const char *request, size_t len, uint64_t id) {
    char *kind = member(request, "kind"), *name = member(request, "name"), *worktree = member(request, "worktree");
    char path[4096];
    CHECK(strlen(request) == len && kind != NULL && strcmp(name, user_data) == 0 && worktree != NULL);
    CHECK(strstr(request, "\"attempt_no\":") != NULL && strstr(request, "\"timeout_ms\":") != NULL);
    FAILS(convoy_completion_output(id, 1, NULL, 0, &err), CONVOY_STATE, "no such thing");
    FAILS(convoy_completion_resolve(id, TEXT("{\"outcome\":\"landed\"}"), &err), CONVOY_BAD_JSON, "result");
    printf("%s: %s\n", kind, name);
    if (strcmp(kind, "prompt") == 0) {
        answer(id, "{\"part\":\"instructions\",\"text\":\"As short as C.\"}");
    } else if (strcmp(kind, "hook") == 0) {
        CHECK(strstr(request, "\"on\":\"post_task\"") != NULL);
        snprintf(path, sizeof path, "%s/stamp.txt", worktree);
        write_file(path, "stamped\n");
        answer(id, "{\"outcome\":\"pass\"}");
    } else if (++judged == 1) {
        CHECK(strstr(request, "\"changed_files\":[\"two.txt\"]") != NULL && strstr(request, "+first") != NULL);
        OK(convoy_completion_reject(id, TEXT("it is too small for C"), &err));
    } else {
        answer(id, "{\"outcome\":\"pass\"}");
    }
    free(kind);
    free(name);
    free(worktree);
}

static convoy_host_code code_named(char *name) {
    convoy_host_code code = {0};
    code.struct_size = sizeof code;
    code.user_data = name;
    code.destroy = destroy;
    code.call = call;
    return code;
}

int main(int argc, char **argv) {
    static char judge[] = "judge", style[] = "style", stamp[] = "stamp";
    convoy_host_code code;
    convoy_agent_adapter adapter = {0};
    convoy_review_runner runner = {0};
    convoy_merge_queue queue = {0};
    convoy_engine_builder *builder;
    convoy_engine *engine;
    convoy_run *run = NULL;
    convoy_string text = {NULL, 0};

    CHECK(argc == 2);
    repository = argv[1];
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    builder = builder_for(repository, "");
    adapter.struct_size = sizeof adapter;
    adapter.destroy = destroy;
    adapter.execute = execute;
    OK(convoy_engine_builder_add_adapter(builder, TEXT("{\"name\":\"scribe\"}"), &adapter, &err));
    runner.struct_size = sizeof runner;
    runner.destroy = destroy;
    runner.review = review;
    OK(convoy_engine_builder_set_review_runner(builder, TEXT("{\"name\":\"critic\",\"model\":\"c99\"}"), &runner, &err));
    queue.struct_size = sizeof queue;
    queue.destroy = destroy;
    queue.prepare = prepare;
    queue.advance = advance;
    queue.settle = settle;
    OK(convoy_engine_builder_set_merge_queue(builder, &queue, &err));
    code = code_named(judge);
    OK(convoy_engine_builder_add_gate(builder, TEXT(judge), &code, &err));
    code = code_named(style);
    OK(convoy_engine_builder_add_prompt_source(builder, TEXT(style), &code, &err));
    code = code_named(stamp);
    OK(convoy_engine_builder_add_hook(builder, TEXT(stamp), &code, &err));
    engine = engine_of(builder);
    OK(convoy_engine_start(engine, TEXT(convoy), NULL, 0, &run, &err));
    OK(convoy_run_wait(run, -1, &text, &err));
    if (strstr(text.data, "\"done\":2") == NULL) {
        fprintf(stderr, "%s\n", text.data);
        return 1;
    }
    convoy_string_free(&text);
    OK(convoy_engine_shutdown(engine, &err));
    convoy_run_free(run);
    convoy_engine_free(engine);
    return 0;
}
