/* Reads all events of a convoy that has ended, in each of the ways there are.
 *
 * events_speed REPOSITORY CONVOY    prints for each way how many there were and how many a second
 */
#define _POSIX_C_SOURCE 200809L
#include "support.h"

#include <time.h>

static double now(void) {
    struct timespec time;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &time) == 0);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* How many objects a text holds that begin as stored events do. */
static long events_in(const char *json) {
    long count = 0;
    while ((json = strstr(json, "{\"_event_id\":")) != NULL) {
        count++;
        json++;
    }
    return count;
}

static void report(const char *way, long count, double began) {
    printf("%s %ld %.0f\n", way, count, (double)count / (now() - began));
}

int main(int argc, char **argv) {
    convoy_engine *engine;
    convoy_string text = {NULL, 0};
    convoy_status status;
    int batch;
    CHECK(argc == 3);
    engine = engine_of(builder_for(argv[1], ""));
    for (batch = 0; batch < 2; batch++) {
        convoy_run *run = NULL;
        long count = 0;
        double began;
        OK(convoy_engine_publish(engine, TEXT(argv[2]), &run, &err));
        OK(convoy_run_wait(run, -1, NULL, &err));
        OK(convoy_run_events_after(run, 0, &err));
        began = now();
        while ((status = batch ? convoy_run_wait_events(run, 1000, -1, &text, NULL)
                               : convoy_run_wait_event(run, -1, &text, NULL)) == CONVOY_OK) {
            count += batch ? events_in(text.data) : (text.data[2] == '_');
            convoy_string_free(&text);
        }
        CHECK(status == CONVOY_END);
        report(batch ? "wait_events" : "wait_event", count, began);
        convoy_run_free(run);
    }
    convoy_engine_free(engine);
    return 0;
}
