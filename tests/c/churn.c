/* Many runs and engines, made and freed: what they took is given back.
 *
 * churn REPOSITORY RUNS ENGINES STARTED    prints by how much the memory of the process grew meanwhile, in KiB
 *
 * RUNS are of a convoy that has ended; of each of STARTED an agent is called, and it is pruned.
 */
#define _POSIX_C_SOURCE 200809L
#include "support.h"

#include <dirent.h>
#include <unistd.h>

static const char convoy[] = "{name: many, version: 1, adapter: quick, tasks: [{id: a, prompt: p}]}";

static void execute(void *user_data, const char *request, size_t len, uint64_t id) {
    (void)user_data;
    CHECK(strlen(request) == len);
    OK(convoy_completion_resolve(id, TEXT("{\"outcome\":\"succeeded\"}"), &err));
}

static int destroyed;

/* Called when an adapter goes; the engines go one after the other. */
static void destroy(void *user_data) {
    (void)user_data;
    __sync_fetch_and_add(&destroyed, 1);
}

/* A number of a line of /proc/self/status, such as "VmRSS:" in KiB. */
static long of_process(const char *name) {
    char line[256];
    long found = -1;
    FILE *status = fopen("/proc/self/status", "r");
    CHECK(status != NULL);
    while (fgets(line, sizeof line, status) != NULL) {
        if (strncmp(line, name, strlen(name)) == 0) {
            found = strtol(line + strlen(name), NULL, 10);
        }
    }
    CHECK(fclose(status) == 0 && found >= 0);
    return found;
}

/* How many files are open, but for the folder that tells it. */
static long open_files(void) {
    long count = -3;
    DIR *folder = opendir("/proc/self/fd");
    CHECK(folder != NULL);
    while (readdir(folder) != NULL) {
        count++;
    }
    CHECK(closedir(folder) == 0);
    return count;
}

static convoy_engine *new_engine(const char *repository) {
    convoy_agent_adapter adapter = {0};
    convoy_engine_builder *builder = builder_for(repository, "");
    adapter.struct_size = sizeof adapter;
    adapter.execute = execute;
    adapter.destroy = destroy;
    OK(convoy_engine_builder_add_adapter(builder, TEXT("{\"name\":\"quick\"}"), &adapter, &err));
    return engine_of(builder);
}

static void woken(void *user_data) {
    (void)user_data;
}

/* Waits for the end of a run and frees it; the events of every other one are read. */
static void to_its_end(convoy_run *run, long number) {
    convoy_string events = {NULL, 0};
    convoy_status status;
    if (number % 2 == 0) {
        int descriptor = -1;
        OK(convoy_run_event_fd(run, &descriptor, &err));
        OK(convoy_run_set_wake(run, woken, NULL, NULL, &err));
        while ((status = convoy_run_wait_events(run, 100, -1, &events, NULL)) == CONVOY_OK) {
            convoy_string_free(&events);
        }
        CHECK(status == CONVOY_END);
        OK(convoy_run_wait(run, -1, NULL, &err));
    }
    /* Every other run is freed as it is; the next must wait until it has given the convoy back. */
    if (number % 2 == 1) {
        OK(convoy_run_wait(run, -1, NULL, &err));
    }
    convoy_run_free(run);
}

/* A run that has nothing to do but to see that everything is published. */
static void one_run(convoy_engine *engine, const char *id, long number) {
    convoy_run *run = NULL;
    OK(convoy_engine_publish(engine, TEXT(id), &run, &err));
    to_its_end(run, number);
}

/* A convoy from its start to its end, and what is kept of it goes now and then. */
static void one_start(convoy_engine *engine, long number) {
    convoy_run *run = NULL;
    convoy_string report = {NULL, 0};
    OK(convoy_engine_start(engine, TEXT(convoy), NULL, 0, &run, &err));
    to_its_end(run, number);
    if (number % 10 == 9) {
        OK(convoy_engine_prune(engine, TEXT("{\"all\":true}"), &report, &err));
        CHECK(strstr(report.data, "\"kept\":[]") != NULL);
        convoy_string_free(&report);
    }
}

/* The same of an engine of its own: nothing else is pruned. */
static void starts(const char *repository, long count) {
    long at, before, threads, files;
    convoy_engine *engine = new_engine(repository);
    for (at = 0; at < 10 + count / 10; at++) {
        one_start(engine, at);
    }
    threads = of_process("Threads:");
    files = open_files();
    before = of_process("VmRSS:");
    for (at = 0; at < count; at++) {
        one_start(engine, at);
    }
    printf("started %ld\n", of_process("VmRSS:") - before);
    CHECK(of_process("Threads:") <= threads + 16);
    /* A file that each run left would be one of hundreds. */
    CHECK(open_files() <= files + 8);
    convoy_engine_free(engine);
}

int main(int argc, char **argv) {
    long runs, engines, at, before, threads;
    convoy_engine *engine;
    convoy_run *run = NULL;
    convoy_string id = {NULL, 0};

    CHECK(argc == 5);
    runs = strtol(argv[2], NULL, 10);
    engines = strtol(argv[3], NULL, 10);
    engine = new_engine(argv[1]);
    OK(convoy_engine_start(engine, TEXT(convoy), NULL, 0, &run, &err));
    OK(convoy_run_wait(run, -1, NULL, &err));
    OK(convoy_run_id(run, &id, &err));
    convoy_run_free(run);

    for (at = 0; at < runs / 10; at++) {
        one_run(engine, id.data, at);
    }
    threads = of_process("Threads:");
    before = of_process("VmRSS:");
    for (at = 0; at < runs; at++) {
        one_run(engine, id.data, at);
    }
    printf("runs %ld\n", of_process("VmRSS:") - before);
    /* Workers that a busy moment took stay for some seconds; a thread that each run left would be one of thousands. */
    CHECK(of_process("Threads:") <= threads + 16);

    for (at = 0; at < engines / 10; at++) {
        convoy_engine_free(new_engine(argv[1]));
    }
    before = of_process("VmRSS:");
    for (at = 0; at < engines; at++) {
        convoy_engine *other = new_engine(argv[1]);
        OK(convoy_engine_shutdown(other, &err));
        convoy_engine_free(other);
    }
    printf("engines %ld\n", of_process("VmRSS:") - before);
    convoy_engine_free(engine);
    convoy_string_free(&id);
    starts(argv[1], strtol(argv[4], NULL, 10));
    return 0;
}
