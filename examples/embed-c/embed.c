/* Two tasks on a git repository, done one after the other by an agent that is itself C code.
 *
 *     embed REPOSITORY
 */
#include "json.h"

#include <convoy.h>

static const char convoy[] = "{name: two files, version: 1, concurrency: 1, adapter: scribe, tasks: [\n"
                             "    {id: one, prompt: Write one.txt}, {id: two, depends_on: [one], prompt: Write two.txt}]}";

/* Makes a call; ends the program if it fails. */
#define MUST(call)                     \
    do {                               \
        convoy_error *err = NULL;      \
        convoy_status status = (call); \
        if (status != CONVOY_OK) {     \
            give_up(status, err);      \
        }                              \
    } while (0)

static void give_up(convoy_status status, convoy_error *err) {
    fprintf(stderr, "embed: %s\n", err != NULL ? convoy_error_chain(err, NULL) : convoy_status_name(status));
    exit(1);
}

/* The agent: writes the file that the last word of the prompt names. It is done at once, so it answers from within
 * the callback; one that takes long copies the request, returns, and answers later from any thread. */
static void execute(void *user_data, const char *request, size_t len, uint64_t id) {
    static const char succeeded[] = "{\"outcome\":\"succeeded\"}", failed[] = "the file could not be written";
    char *cwd = text_of(member(request, "cwd")), *prompt = text_of(member(request, "prompt"));
    int written = 0;
    (void)user_data, (void)len;
    if (cwd != NULL && prompt != NULL) {
        const char *end = prompt + strlen(prompt), *word;
        char *path = allocate(strlen(cwd) + strlen(prompt) + 2);
        FILE *file;
        while (end > prompt && strchr(" \t\r\n", end[-1]) != NULL) {
            end--;
        }
        for (word = end; word > prompt && strchr(" \t\r\n", word[-1]) == NULL;) {
            word--;
        }
        sprintf(path, "%s/%.*s", cwd, (int)(end - word), word);
        file = fopen(path, "w");
        if (file != NULL) {
            written = fputs(prompt, file) >= 0;
            written = fclose(file) == 0 && written;
        }
        free(path);
    }
    free(cwd);
    free(prompt);
    /* A failure to answer says that the engine waits no longer. */
    if (written) {
        convoy_completion_resolve(id, succeeded, strlen(succeeded), NULL);
    } else {
        convoy_completion_reject(id, failed, strlen(failed), NULL);
    }
}

/* An engine for the repository, with the agent. */
static convoy_engine *open_engine(const char *repository) {
    static const char description[] = "{\"name\":\"scribe\"}";
    char *path = json_of(getenv("PATH") != NULL ? getenv("PATH") : ""), *options;
    char *home = json_of(getenv("HOME") != NULL ? getenv("HOME") : "");
    convoy_agent_adapter adapter = {0};
    convoy_engine_builder *builder = NULL;
    convoy_engine *engine = NULL;
    options = allocate(strlen(path) + strlen(home) + 64);
    sprintf(options, "{\"env\":{\"PATH\":%s,\"HOME\":%s}}", path, home);
    adapter.struct_size = sizeof adapter;
    adapter.execute = execute;
    MUST(convoy_engine_builder_new(repository, strlen(repository), &builder, &err));
    MUST(convoy_engine_builder_set_options(builder, options, strlen(options), &err));
    MUST(convoy_engine_builder_add_adapter(builder, description, strlen(description), &adapter, &err));
    MUST(convoy_engine_build(builder, &engine, &err));
    convoy_engine_builder_free(builder);
    free(path);
    free(home);
    free(options);
    return engine;
}

/* Prints what is stored, without the publishing of the branch, which goes on beside the tasks. */
static void print_event(const char *event) {
    char *type = text_of(member(event, "type")), *task = text_of(member(event, "task_id"));
    if (*member(event, "_event_id") != 0 && type != NULL && strncmp(type, "branch_", 7) != 0) {
        printf("%s%s%s\n", type, task != NULL ? " " : "", task != NULL ? task : "");
    }
    free(type);
    free(task);
}

static void print_result(const char *result) {
    const char *view = member(result, "view"), *totals = member(view, "totals");
    char *status = text_of(member(view, "status")), *branch = text_of(member(view, "branch"));
    printf("%s: %ld of %ld tasks on %s\n", status != NULL ? status : "?", strtol(member(totals, "done"), NULL, 10),
           strtol(member(totals, "total"), NULL, 10), branch != NULL ? branch : "?");
    free(status);
    free(branch);
}

int main(int argc, char **argv) {
    convoy_engine *engine;
    convoy_run *run = NULL;
    convoy_string text = {NULL, 0};
    convoy_error *err = NULL;
    convoy_status status;
    if (argc != 2 || convoy_abi_version() != CONVOY_ABI_VERSION) {
        fputs(argc != 2 ? "usage: embed REPOSITORY\n" : "embed: libconvoy is of another interface\n", stderr);
        return 2;
    }
    engine = open_engine(argv[1]);
    MUST(convoy_engine_start(engine, convoy, strlen(convoy), NULL, 0, &run, &err));
    while ((status = convoy_run_wait_event(run, -1, &text, &err)) == CONVOY_OK) {
        print_event(text.data);
        convoy_string_free(&text);
    }
    if (status != CONVOY_END) {
        give_up(status, err);
    }
    MUST(convoy_run_wait(run, -1, &text, &err));
    print_result(text.data);
    convoy_string_free(&text);
    MUST(convoy_engine_shutdown(engine, &err));
    convoy_run_free(run);
    convoy_engine_free(engine);
    return 0;
}
