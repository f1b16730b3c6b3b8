/* What a function that is woken may do, and what may be done while it runs: no lock is held then.
 *
 * wakes REPOSITORY    prints the first thing that does not hold, and exits with 1
 */
#define _POSIX_C_SOURCE 200809L
#include "support.h"

#include <pthread.h>

static const char convoy[] = "{name: c, version: 1, adapter: slow, tasks: [{id: a, prompt: p, max_retries: 0}]}";

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

/* A wake, what it does when it is called, and what became of it. */
typedef struct waker {
    void (*act)(struct waker *waker);
    convoy_run *run;
    struct waker *other;
    int calls, returned, destroyed, let_go;
} waker;

static int get(int *counter) {
    int value;
    pthread_mutex_lock(&lock);
    value = *counter;
    pthread_mutex_unlock(&lock);
    return value;
}

static void add(int *counter) {
    pthread_mutex_lock(&lock);
    *counter += 1;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void wait_for(int *counter, int value) {
    pthread_mutex_lock(&lock);
    while (*counter < value) {
        pthread_cond_wait(&changed, &lock);
    }
    pthread_mutex_unlock(&lock);
}

static void woken(void *user_data) {
    waker *self = user_data;
    CHECK(get(&self->destroyed) == 0 && get(&self->calls) == get(&self->returned));
    add(&self->calls);
    if (self->act != NULL) {
        self->act(self);
    }
    CHECK(get(&self->destroyed) == 0);
    add(&self->returned);
}

static void destroy(void *user_data) {
    waker *self = user_data;
    CHECK(get(&self->calls) == get(&self->returned));
    add(&self->destroyed);
}

static uint64_t asked;
static int executes;

/* Answers when it is told to. */
static void execute(void *user_data, const char *request, size_t len, uint64_t id) {
    (void)user_data;
    CHECK(strlen(request) == len);
    asked = id;
    add(&executes);
}

static convoy_engine *begin(const char *repository, convoy_run **run) {
    convoy_engine_builder *builder = builder_for(repository, ",\"store\":\"memory\"");
    convoy_agent_adapter adapter = {0};
    convoy_engine *engine;
    adapter.struct_size = sizeof adapter;
    adapter.execute = execute;
    OK(convoy_engine_builder_add_adapter(builder, TEXT("{\"name\":\"slow\"}"), &adapter, &err));
    engine = engine_of(builder);
    executes = 0;
    OK(convoy_engine_start(engine, TEXT(convoy), NULL, 0, run, &err));
    wait_for(&executes, 1);
    return engine;
}

static void end(convoy_engine *engine, convoy_run *run) {
    OK(convoy_completion_resolve(asked, TEXT("{\"outcome\":\"succeeded\"}"), &err));
    convoy_run_free(run);
    OK(convoy_engine_shutdown(engine, &err));
    convoy_engine_free(engine);
}

static void set(waker *wake) {
    OK(convoy_run_set_wake(wake->run, woken, wake, destroy, &err));
}

static void replace(waker *self) {
    set(self->other);
    CHECK(get(&self->destroyed) == 0 && get(&self->other->calls) == 0);
}

static void replace_by_itself(waker *self) {
    if (get(&self->calls) == 1) {
        OK(convoy_run_set_wake(self->run, woken, self, NULL, &err));
    }
}

static void clear(waker *self) {
    OK(convoy_run_set_wake(self->run, NULL, NULL, NULL, &err));
}

static void hang(waker *self) {
    wait_for(&self->let_go, 1);
}

/* It sets another one, which is told of the events that are there, after it has returned. */
static void replaced_by_its_own_call(const char *repository) {
    convoy_run *run = NULL;
    convoy_engine *engine = begin(repository, &run);
    waker first = {0}, second = {0};
    first.act = replace;
    first.other = &second;
    first.run = second.run = run;
    set(&first);
    wait_for(&second.returned, 1);
    CHECK(get(&first.returned) == 1 && get(&first.destroyed) == 1 && get(&second.destroyed) == 0);
    end(engine, run);
    wait_for(&second.destroyed, 1);
    CHECK(get(&first.calls) == 1 && get(&first.destroyed) == 1);
}

/* The same function with the same data, under a registration of its own. */
static void set_again_by_its_own_call(const char *repository) {
    convoy_run *run = NULL;
    convoy_engine *engine = begin(repository, &run);
    waker only = {0};
    only.act = replace_by_itself;
    only.run = run;
    OK(convoy_run_set_wake(run, woken, &only, NULL, &err));
    wait_for(&only.returned, 2);
    end(engine, run);
}

static void cleared_by_its_own_call(const char *repository) {
    convoy_run *run = NULL;
    convoy_engine *engine = begin(repository, &run);
    convoy_string event = {NULL, 0};
    waker only = {0};
    only.act = clear;
    only.run = run;
    set(&only);
    wait_for(&only.destroyed, 1);
    CHECK(get(&only.returned) == 1);
    while (convoy_run_next_event(run, &event, NULL) == CONVOY_OK) {
        convoy_string_free(&event);
    }
    end(engine, run);
    CHECK(get(&only.calls) == 1 && get(&only.destroyed) == 1);
}

/* Whatever else is done with the run while it is woken does not wait for it. */
static void used_while_it_is_woken(const char *repository) {
    convoy_run *run = NULL;
    convoy_engine *engine = begin(repository, &run);
    convoy_string event = {NULL, 0};
    waker first = {0}, between = {0}, last = {0};
    int32_t descriptor = -1;
    first.act = hang;
    first.run = between.run = last.run = run;
    set(&first);
    wait_for(&first.calls, 1);
    OK(convoy_run_next_event(run, &event, &err));
    convoy_string_free(&event);
    OK(convoy_run_event_fd(run, &descriptor, &err));
    set(&between);
    set(&last);
    /* It was never called: nothing is to be waited for. */
    CHECK(get(&between.destroyed) == 1 && get(&between.calls) == 0);
    CHECK(get(&first.destroyed) == 0 && get(&last.calls) == 0);
    add(&first.let_go);
    wait_for(&first.destroyed, 1);
    wait_for(&last.returned, 1);
    end(engine, run);
    wait_for(&last.destroyed, 1);
    CHECK(get(&first.calls) == 1 && get(&first.destroyed) == 1);
}

/* The run, and the engine, are freed and gone before it returns. */
static void freed_while_it_is_woken(const char *repository) {
    convoy_run *run = NULL;
    convoy_engine *engine = begin(repository, &run);
    waker only = {0};
    only.act = hang;
    only.run = run;
    set(&only);
    wait_for(&only.calls, 1);
    end(engine, run);
    FAILS(convoy_run_set_wake(run, NULL, NULL, NULL, &err), CONVOY_BAD_HANDLE, "run");
    CHECK(get(&only.destroyed) == 0);
    add(&only.let_go);
    wait_for(&only.destroyed, 1);
    CHECK(get(&only.returned) == 1);
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    replaced_by_its_own_call(argv[1]);
    set_again_by_its_own_call(argv[1]);
    cleared_by_its_own_call(argv[1]);
    used_while_it_is_woken(argv[1]);
    freed_while_it_is_woken(argv[1]);
    return 0;
}
