/* A reviewer and a merge queue that are C code.
 *
 * hosts REPOSITORY    runs a convoy of two tasks; the reviewer blocks the first piece of work once, and the queue finds the
 *                     ref moved once. Prints what they were asked.
 */
#define _POSIX_C_SOURCE 200809L
#include "support.h"

#include <pthread.h>
#include <unistd.h>

static const char convoy[] = "name: hosts\nversion: 1\nadapter: scribe\nconcurrency: 1\ndefaults: {review: fast}\ntasks:\n"
                             "  - {id: one, prompt: Write one.txt, max_retries: 1}\n"
                             "  - {id: two, prompt: Write two.txt, depends_on: [one]}\n";

static const char *repository;
static int reviews, advances, destroyed;

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

/* The first line that a command prints, in a buffer; its exit code is answered. */
static int line_of(const char *command, char *line, size_t size) {
    FILE *pipe = popen(command, "r");
    CHECK(pipe != NULL);
    if (fgets(line, (int)size, pipe) == NULL) {
        line[0] = 0;
    }
    line[strcspn(line, "\n")] = 0;
    while (fgetc(pipe) != EOF) {
    }
    return pclose(pipe);
}

static void write_file(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    CHECK(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void execute(void *user_data, const char *request, size_t len, uint64_t id) {
    char *cwd = member(request, "cwd"), *name;
    char path[4096];
    (void)user_data;
    (void)len;
    CHECK(cwd != NULL);
    name = strstr(request, "Write two.txt") != NULL ? "two.txt" : "one.txt";
    snprintf(path, sizeof path, "%s/%s", cwd, name);
    write_file(path, strstr(request, "needs a second look") != NULL ? "second\n" : "first\n");
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
    char *tip = member(request, "tip"), *work = member(request, "work");
    char command[8192], tree[128], commit[128], text[512];
    (void)user_data;
    CHECK(strlen(request) == len && tip != NULL && work != NULL && strstr(request, "\"message\":\"") != NULL);
    FAILS(convoy_completion_output(id, 1, NULL, 0, &err), CONVOY_STATE, "no such thing");
    snprintf(command, sizeof command, "git -C '%s' merge-tree --write-tree %s %s", repository, tip, work);
    CHECK(line_of(command, tree, sizeof tree) == 0);
    snprintf(command, sizeof command, "git -C '%s' commit-tree %s -p %s -p %s -m 'Landed in C'", repository, tree, tip,
             work);
    CHECK(line_of(command, commit, sizeof commit) == 0);
    puts("queue: prepare");
    snprintf(text, sizeof text, "{\"outcome\":\"prepared\",\"commit\":\"%s\"}", commit);
    answer(id, text);
    free(tip);
    free(work);
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

int main(int argc, char **argv) {
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
