/* Texts at the border: those that are too long, and paths that are none.
 *
 * texts REPOSITORY    prints the first thing that does not hold, and exits with 1. Makes folders beside the repository.
 */
#define _POSIX_C_SOURCE 200809L
#include "support.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

static const char convoy[] = "{name: c, version: 1, adapter: scribe, tasks: [{id: a, prompt: p, max_retries: 0}]}";
static const char report[] = "{\"outcome\":\"succeeded\"}";

static int executed;

/* Tells sessions that can be none, and one that is as long as one may be. */
static void execute(void *user_data, const char *request, size_t len, uint64_t id) {
    char session[600];
    (void)user_data;
    CHECK(strlen(request) == len);
    __sync_fetch_and_add(&executed, 1);
    memset(session, 's', sizeof session);
    FAILS(convoy_completion_session(id, session, 513, &err), CONVOY_INVALID_ARGUMENT, "1 to 512 bytes");
    FAILS(convoy_completion_session(id, session, 513, &err), CONVOY_INVALID_ARGUMENT, "this one has 513");
    FAILS(convoy_completion_session(id, session, 0, &err), CONVOY_INVALID_ARGUMENT, "512 bytes");
    FAILS(convoy_completion_session(id, TEXT("-s"), &err), CONVOY_INVALID_ARGUMENT, "a dash");
    FAILS(convoy_completion_session(id, TEXT("\xff"), &err), CONVOY_BAD_UTF8, "byte 0");
    OK(convoy_completion_session(id, session, 512, &err));
    OK(convoy_completion_resolve(id, TEXT(report), &err));
}

static convoy_engine *engine_for(const char *repository, const char *options) {
    convoy_engine_builder *builder = builder_for(repository, options);
    convoy_agent_adapter adapter = {0};
    adapter.struct_size = sizeof adapter;
    adapter.execute = execute;
    OK(convoy_engine_builder_add_adapter(builder, TEXT("{\"name\":\"scribe\"}"), &adapter, &err));
    return engine_of(builder);
}

/* Runs the convoy to its end; its result holds this text. `id` receives which convoy it was. */
static void runs(convoy_engine *engine, convoy_string *id, const char *text) {
    convoy_run *run = NULL;
    convoy_string result = {NULL, 0};
    OK(convoy_engine_start(engine, TEXT(convoy), NULL, 0, &run, &err));
    OK(convoy_run_wait(run, -1, &result, &err));
    if (strstr(result.data, text) == NULL) {
        fprintf(stderr, "no %s in %s\n", text, result.data);
        exit(1);
    }
    OK(convoy_run_id(run, id, &err));
    convoy_string_free(&result);
    convoy_run_free(run);
}

static void sessions(const char *repository) {
    convoy_engine *engine = engine_for(repository, "");
    convoy_string id = {NULL, 0}, path = {NULL, 0}, retained = {NULL, 0};
    runs(engine, &id, "\"status\":\"done\"");
    CHECK(executed == 1);
    OK(convoy_engine_log_path(engine, id.data, id.len, TEXT("a"), 1, &path, &err));
    CHECK(access(path.data, R_OK) == 0);
    FAILS(convoy_engine_log_path(engine, id.data, id.len, TEXT("a"), UINT32_MAX, &path, &err), CONVOY_NOT_FOUND, "");
    OK(convoy_engine_last_retention(engine, &retained, &err));
    CHECK(strcmp(retained.data, "null") == 0);
    convoy_string_free(&retained);
    convoy_string_free(&path);
    convoy_string_free(&id);
    OK(convoy_engine_shutdown(engine, &err));
    convoy_engine_free(engine);
}

/* A folder whose name is no UTF-8, in which a repository is that is reached by a name which is. */
static int odd_repository(const char *repository, char *link, size_t size) {
    char folder[4096], command[9000];
    snprintf(folder, sizeof folder, "%s-gr\xfcn", repository);
    snprintf(link, size, "%s-link", repository);
    if (mkdir(folder, 0700) != 0) {
        /* A file system that has only names in UTF-8 has none of this trouble. */
        CHECK(errno == EILSEQ);
        return 0;
    }
    snprintf(command, sizeof command, "git init -q -b main '%s' && git -C '%s' commit -q --allow-empty -m begin", folder, folder);
    CHECK(system(command) == 0 && symlink(folder, link) == 0);
    return 1;
}

/* Its paths are no text: a status that says so, and never another path. */
static void paths(const char *repository) {
    char link[4096], beside[4200], options[4400];
    convoy_engine *engine;
    convoy_string id = {NULL, 0}, path = {NULL, 0}, events = {NULL, 0};
    if (!odd_repository(repository, link, sizeof link)) {
        return;
    }
    engine = engine_for(link, "");
    FAILS(convoy_engine_state_dir(engine, &path, &err), CONVOY_UNSUPPORTED, "the state directory is no UTF-8");
    FAILS(convoy_engine_state_dir(engine, &path, &err), CONVOY_UNSUPPORTED, "gr\\xfcn");
    /* The adapter cannot be told where to work. */
    runs(engine, &id, "\"status\":\"failed\"");
    CHECK(executed == 1);
    OK(convoy_engine_events(engine, id.data, id.len, 0, 1000, &events, &err));
    CHECK(strstr(events.data, "\"contract\"") != NULL);
    CHECK(strstr(events.data, "the path of the folder to work in is no UTF-8") != NULL);
    FAILS(convoy_engine_attempt(engine, id.data, id.len, TEXT("a"), 0, &path, &err), CONVOY_UNSUPPORTED, "gr\\xfcn");
    FAILS(convoy_engine_log_path(engine, id.data, id.len, TEXT("a"), 1, &path, &err), CONVOY_UNSUPPORTED, "state_dir");
    CHECK(path.data == NULL);
    convoy_string_free(&events);
    convoy_string_free(&id);
    OK(convoy_engine_shutdown(engine, &err));
    convoy_engine_free(engine);

    /* What the message says to do. */
    snprintf(beside, sizeof beside, "%s-state", repository);
    snprintf(options, sizeof options, ",\"state_dir\":\"%s\"", beside);
    engine = engine_for(link, options);
    OK(convoy_engine_state_dir(engine, &path, &err));
    CHECK(strcmp(path.data, beside) == 0);
    runs(engine, &id, "\"status\":\"done\"");
    CHECK(executed == 2);
    convoy_string_free(&path);
    convoy_string_free(&id);
    OK(convoy_engine_shutdown(engine, &err));
    convoy_engine_free(engine);
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    sessions(argv[1]);
    paths(argv[1]);
    return 0;
}
