/* What the engine may ask of the C host: an adapter, a reviewer and a merge queue that do what a script says. */
#ifndef PARITY_PARTS_H
#define PARITY_PARTS_H

#include "json.h"

#include <convoy.h>

#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/types.h>
#include <unistd.h>

/* A text as pointer and length. */
#define TEXT(text) (text), strlen(text)

static char *job;
static convoy_run *run; /* the newest */

/* What the parts share. The condition tells of gates that open, and calls that are cancelled. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static char *gates[32];
static int open_gates;
static struct { char *key; int calls; } counted[128];
static int counters;

/* A question of the engine. They are few, and kept. */
struct call {
    uint64_t id;
    const char *kind;
    char *request;
    int cancelled;
    struct call *next;
};
static struct call *calls;

static void fail(const char *what) {
    fprintf(stderr, "host: %s\n", what);
    exit(1);
}

/* Prints texts, to NULL, as one line, at once: lines of several threads do not mix. */
static void say(const char *text, ...) {
    va_list more;
    pthread_mutex_lock(&lock);
    va_start(more, text);
    for (; text != NULL; text = va_arg(more, const char *)) {
        fputs(text, stdout);
    }
    va_end(more);
    putchar('\n');
    fflush(stdout);
    pthread_mutex_unlock(&lock);
}

/* The script for a question: by its key, where there is one, else by its kind. */
static const char *script_of(const struct call *call) {
    const char *all = member(job, "script"), *scripts;
    char *worker = words_of(member(call->request, "worker_id")), *name = words_of(member(call->request, "name"));
    const char *tail = strchr(worker, '.');
    char exact[256], key[256];
    int number = 0, count, at;
    snprintf(exact, sizeof exact, "%s %s", call->kind, tail != NULL ? tail + 1 : name);
    strcpy(key, exact);
    free(name);
    free(worker);
    scripts = member(all, key);
    if (*scripts == 0) {
        snprintf(key, sizeof key, "%s", call->kind);
        scripts = member(all, key);
    }
    count = items(scripts);
    if (count == 0) {
        int lands = strcmp(call->kind, "prepare") == 0 || strcmp(call->kind, "advance") == 0 || strcmp(call->kind, "settle") == 0;
        char *made = allocate(sizeof exact + 32);
        sprintf(made, lands ? "[[\"git\"]]" : "[[\"raise\",\"Unscripted\",\"%s\"]]", exact);
        return made; /* kept, as the job is */
    }
    pthread_mutex_lock(&lock);
    for (at = 0; at < counters && strcmp(counted[at].key, key) != 0; at++) {
    }
    if (at == counters) {
        counted[at].key = strdup(key);
        counters++;
    }
    number = counted[at].calls++;
    pthread_mutex_unlock(&lock);
    return item(scripts, number < count ? number : count - 1);
}

/* Ends the program if a call failed; that the engine waits no longer is no failure. */
static void told(convoy_status status) {
    if (status != CONVOY_OK && status != CONVOY_NO_COMPLETION) {
        fail(convoy_status_name(status));
    }
}

static void reject(const struct call *call, const char *name, const char *message) {
    char *text = allocate(strlen(name) + strlen(message) + 3);
    sprintf(text, "%s: %s", name, message);
    told(convoy_completion_reject(call->id, TEXT(text), NULL));
    free(text);
}

/* Answers; what is no answer is refused, and the question is still open then. */
static void resolve(const struct call *call, const char *answer) {
    convoy_error *err = NULL;
    convoy_status status = convoy_completion_resolve(call->id, TEXT(answer), &err);
    if (status == CONVOY_BAD_JSON) {
        char *text = allocate(strlen(answer) + strlen(convoy_error_message(err, NULL)) + 32);
        sprintf(text, "the answer %s is none: %s", answer, convoy_error_message(err, NULL));
        reject(call, "Nonsense", text);
        free(text);
    } else {
        told(status);
    }
    convoy_error_free(err);
}

/* Appends a word to a shell command. */
static void quote(char *command, const char *word) {
    char *out = command + strlen(command);
    for (*out++ = ' ', *out++ = '\''; *word != 0; word++) {
        if (*word == '\'') {
            out += sprintf(out, "'\\''");
        } else {
            *out++ = *word;
        }
    }
    strcpy(out, "'");
}

/* Has the program of the tests do the step of landing; its answer is to be freed. */
static char *land(const struct call *call) {
    static const char *const prepare[] = {"integration_ref", "tip", "work", "message", NULL};
    static const char *const advance[] = {"integration_ref", "commit", "onto", "fence", NULL};
    const char *const *names = strcmp(call->kind, "prepare") == 0 ? prepare : advance;
    char *command = allocate(4 * (strlen(call->request) + strlen(job))), *answer = allocate(4096), *word;
    FILE *pipe;
    strcpy(command, "sh");
    quote(command, word = words_of(member(job, "landing")));
    free(word);
    quote(command, word = words_of(member(job, "repository")));
    free(word);
    quote(command, call->kind);
    for (; *names != NULL; names++) {
        word = words_of(member(call->request, *names));
        if (*word != 0) { /* to settle needs no fence */
            quote(command, word);
        }
        free(word);
    }
    pipe = popen(command, "r");
    if (pipe == NULL || fgets(answer, 4096, pipe) == NULL || pclose(pipe) != 0) {
        fail(command);
    }
    answer[strcspn(answer, "\n")] = 0;
    free(command);
    return answer;
}

static void write_file(const struct call *call, const char *name, const char *text) {
    /* Code beside agents has a worktree. */
    const char *folder = *member(call->request, "cwd") != 0 ? "cwd" : "worktree";
    char *cwd = words_of(member(call->request, folder)), *path = allocate(strlen(cwd) + strlen(name) + 2);
    FILE *file;
    sprintf(path, "%s/%s", cwd, name);
    file = fopen(path, "w");
    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0) {
        fail(path);
    }
    free(path);
    free(cwd);
}

static void pass_gate(const char *gate) {
    int at = 0;
    pthread_mutex_lock(&lock);
    for (;;) {
        for (at = 0; at < open_gates && strcmp(gates[at], gate) != 0; at++) {
        }
        if (at < open_gates) {
            break;
        }
        pthread_cond_wait(&changed, &lock);
    }
    pthread_mutex_unlock(&lock);
}

static void wait_cancelled(const struct call *call) {
    pthread_mutex_lock(&lock);
    while (!call->cancelled) {
        pthread_cond_wait(&changed, &lock);
    }
    pthread_mutex_unlock(&lock);
}

static void output(const struct call *call, int stream, const char *text) {
    told(convoy_completion_output(call->id, stream, (const uint8_t *)text, strlen(text), NULL));
}

/* Asks the run to end, from within a call of the engine. */
static void ask_run(const char *what, const char *reason) {
    convoy_run *now;
    pthread_mutex_lock(&lock);
    now = run;
    pthread_mutex_unlock(&lock);
    told(strcmp(what, "cancel") == 0 ? convoy_run_cancel(now, NULL) : convoy_run_interrupt(now, TEXT(reason), NULL));
}

static void fail_so(const struct call *call, const char *message, const char *kind) {
    char *text = json_of(message), *answer = allocate(strlen(text) + strlen(kind) + 96);
    sprintf(answer, "{\"outcome\":\"failed\",\"failure\":{\"message\":%s,\"failure_type\":\"%s\"}}", text, kind);
    resolve(call, answer);
    free(answer);
    free(text);
}

/* Does one step; whether that was the answer. */
static int ended(struct call *call, const char *step) {
    const char *word = item(step, 0);
    char *one = words_of(item(step, 1)), *two = words_of(item(step, 2)), *made = NULL;
    int answers = 1;
    if (is(word, "answer") || is(word, "nonsense")) {
        resolve(call, one);
    } else if (is(word, "answer-twice")) {
        resolve(call, one);
        if (convoy_completion_resolve(call->id, TEXT(one), NULL) != CONVOY_NO_COMPLETION ||
            convoy_completion_reject(call->id, TEXT("again"), NULL) != CONVOY_NO_COMPLETION) {
            fail("a second answer is taken");
        }
    } else if (is(word, "raise")) {
        reject(call, one, two);
    } else if (is(word, "fail")) {
        fail_so(call, one, two);
    } else if (is(word, "git")) {
        resolve(call, made = land(call));
    } else {
        answers = 0;
        if (is(word, "git-only")) {
            made = land(call);
        } else if (is(word, "write")) {
            write_file(call, one, two);
        } else if (is(word, "output") || is(word, "complain")) {
            output(call, is(word, "output") ? 1 : 2, one);
        } else if (is(word, "repeat")) {
            output(call, 1, made = words_of(member(call->request, one)));
        } else if (is(word, "session")) {
            told(convoy_completion_session(call->id, TEXT(one), NULL));
        } else if (is(word, "started")) {
            told(convoy_completion_started(call->id, (uint32_t)getpid(), NULL));
        } else if (is(word, "ask")) {
            ask_run(one, two);
        } else if (is(word, "await")) {
            pass_gate(one);
        } else if (is(word, "cancelled")) {
            wait_cancelled(call);
        } else if (is(word, "hang")) {
            for (;;) {
                pause();
            }
        } else if (is(word, "die")) {
            kill(getpid(), SIGKILL);
        } else {
            reject(call, "Unknown", step);
            answers = 1;
        }
    }
    free(made);
    free(two);
    free(one);
    return answers;
}

static void *work(void *argument) {
    struct call *call = argument;
    const char *script = script_of(call);
    int at;
    for (at = 0; *item(script, at) != 0; at++) {
        if (ended(call, item(script, at))) {
            return NULL;
        }
    }
    reject(call, "Unfinished", "the script has no answer");
    return NULL;
}

/* A question: noted, and worked on by a thread of its own. */
static void begin(const char *kind, const char *request, uint64_t id) {
    struct call *call = allocate(sizeof *call);
    pthread_t thread;
    call->id = id;
    call->kind = kind;
    call->request = strdup(request);
    call->cancelled = 0;
    say("{\"asked\":\"", kind, "\",\"request\":", request, "}", NULL);
    pthread_mutex_lock(&lock);
    call->next = calls;
    calls = call;
    pthread_mutex_unlock(&lock);
    if (pthread_create(&thread, NULL, work, call) != 0) {
        fail("no thread");
    }
    pthread_detach(thread);
}

static void cancel(void *user_data, uint64_t id) {
    struct call *call;
    (void)user_data;
    pthread_mutex_lock(&lock);
    for (call = calls; call != NULL && call->id != id; call = call->next) {
    }
    if (call != NULL) {
        call->cancelled = 1;
    }
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

#define QUESTION(kind)                                                                        \
    static void kind(void *user_data, const char *request, size_t len, uint64_t id) {         \
        (void)user_data, (void)len;                                                           \
        begin(#kind, request, id);                                                            \
    }
QUESTION(execute)
QUESTION(review)
QUESTION(prepare)
QUESTION(advance)
QUESTION(settle)
QUESTION(gate)
QUESTION(prompt)
QUESTION(hook)

/* A gate is open from now on. */
static void open_gate(const char *gate) {
    pthread_mutex_lock(&lock);
    gates[open_gates++] = strdup(gate);
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

#endif
