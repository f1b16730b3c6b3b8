/* Reads all events of a convoy that has ended, one by one and as lists.
 *
 * read REPOSITORY CONVOY    prints for each way how many there were and how many seconds that took
 */
#define _POSIX_C_SOURCE 200809L
#include <convoy.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define OK(call)                                                                         \
    do {                                                                                 \
        convoy_error *err = NULL;                                                        \
        if ((call) != CONVOY_OK) {                                                       \
            fprintf(stderr, "%s: %s\n", #call, convoy_error_chain(err, NULL));           \
            exit(1);                                                                     \
        }                                                                                \
    } while (0)

#define BATCH 1024

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* How many stored events a text holds: each begins with its number. */
static long events_in(const char *json) {
    static const char begin[] = "{\"_event_id\":";
    long count = 0;
    while ((json = strstr(json, begin)) != NULL) {
        count++;
        json += sizeof begin - 1;
    }
    return count;
}

static long one_by_one(const convoy_run *run) {
    static const char begin[] = "{\"_event_id\":";
    convoy_string event = {NULL, 0};
    long count = 0;
    while (convoy_run_wait_event(run, -1, &event, NULL) == CONVOY_OK) {
        count += strncmp(event.data, begin, sizeof begin - 1) == 0;
        convoy_string_free(&event);
    }
    return count;
}

static long lists(const convoy_run *run) {
    convoy_string events = {NULL, 0};
    long count = 0;
    while (convoy_run_wait_events(run, BATCH, -1, &events, NULL) == CONVOY_OK) {
        count += events_in(events.data);
        convoy_string_free(&events);
    }
    return count;
}

static void measure(const char *way, const convoy_engine *engine, const char *convoy,
                    long (*read)(const convoy_run *run)) {
    convoy_run *run = NULL;
    double began;
    long count;
    OK(convoy_engine_publish(engine, convoy, strlen(convoy), &run, &err));
    OK(convoy_run_wait(run, -1, NULL, &err));
    OK(convoy_run_events_after(run, 0, &err));
    began = now();
    count = read(run);
    printf("%s\t%ld\t%.6f\n", way, count, now() - began);
    convoy_run_free(run);
}

int main(int argc, char **argv) {
    convoy_engine_builder *builder = NULL;
    convoy_engine *engine = NULL;
    char options[8192];
    if (argc != 3) {
        fprintf(stderr, "usage: read REPOSITORY CONVOY\n");
        return 2;
    }
    OK(convoy_engine_builder_new(argv[1], strlen(argv[1]), &builder, &err));
    snprintf(options, sizeof options, "{\"env\":{\"PATH\":\"%s\",\"HOME\":\"%s\"}}", getenv("PATH"), getenv("HOME"));
    OK(convoy_engine_builder_set_options(builder, options, strlen(options), &err));
    OK(convoy_engine_build(builder, &engine, &err));
    convoy_engine_builder_free(builder);
    measure("convoy_run_wait_event", engine, argv[2], one_by_one);
    measure("convoy_run_wait_events", engine, argv[2], lists);
    OK(convoy_engine_shutdown(engine, &err));
    convoy_engine_free(engine);
    return 0;
}
