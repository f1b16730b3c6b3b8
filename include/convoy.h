/**
 * convoy.h - the C interface of Convoy, an engine that runs many coding agents on one git repository at once.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Link with -lconvoy (or what `pkg-config --cflags --libs convoy` says). C99 or later, C++11 or later.
 *
 * The convoy file is described in REFERENCE.md, and every event in EVENTS.md: both are installed in share/doc/convoy,
 * with examples, and stand in convoy-core of the sources.
 *
 * Calls that can fail return a convoy_status: CONVOY_OK is 0, everything else is a failure. Outputs are written
 * only on success, and must then be freed with the function that their type names. The last argument, `err`, may
 * be NULL; if it is not, it is set on failure to an error object, to be freed with convoy_error_free, and left as
 * it is on success. What it held before is overwritten, not freed.
 *
 *     convoy_string found = {NULL, 0};
 *     convoy_error *err = NULL;
 *     if (convoy_check_spec(text, strlen(text), &found, &err) != CONVOY_OK) {
 *         fprintf(stderr, "%s\n", convoy_error_message(err, NULL));
 *         convoy_error_free(err);
 *         return 1;
 *     }
 *     puts(found.data);
 *     convoy_string_free(&found);
 *
 * Text that goes in is a pointer and a number of bytes, in UTF-8; it needs no NUL and may be freed or changed as
 * soon as the call has returned. Text that comes out is UTF-8 too and NUL-terminated. Structures that will grow cross
 * as JSON; members that are not known are refused on the way in, and may be added on the way out.
 *
 * A host, without its error handling (whole ones, in share/doc/convoy/examples: embed.c, and in C++ embed.cpp over
 * convoy.hpp):
 *
 *     convoy_engine_builder *builder; convoy_engine *engine; convoy_run *run; convoy_string text;
 *     convoy_engine_builder_new(path, strlen(path), &builder, NULL);
 *     convoy_engine_builder_set_options(builder, options, strlen(options), NULL);   {"env": {"PATH": "/usr/bin:/bin"}}
 *     convoy_engine_builder_add_adapter(builder, name, strlen(name), &adapter, NULL);   if an agent is your own code
 *     convoy_engine_build(builder, &engine, NULL);
 *     convoy_engine_builder_free(builder);
 *     convoy_engine_start(engine, spec, strlen(spec), NULL, 0, &run, NULL);
 *     while (convoy_run_wait_event(run, -1, &text, NULL) == CONVOY_OK) {
 *         puts(text.data);
 *         convoy_string_free(&text);
 *     }
 *     convoy_run_wait(run, -1, &text, NULL);   how it ended, as JSON
 *     convoy_string_free(&text);
 *     convoy_run_free(run);
 *     convoy_engine_shutdown(engine, NULL);
 *     convoy_engine_free(engine);
 *
 * Builders, engines and runs are handles: freeing one twice does nothing, and using one that was freed, or something
 * that is none, is CONVOY_BAD_HANDLE. Functions of the program that the library calls come on threads of the library.
 *
 * Three lines at every function say what a program must know. "Ownership": what is to be freed, and by whom. "Threads":
 * which threads may call it ("any, at once": any number of them, also on one object, and from callbacks), and whether it
 * waits for anything. "Errors": the statuses other than CONVOY_OK; "the mistakes in the call" are CONVOY_NULL_ARGUMENT,
 * CONVOY_BAD_UTF8, CONVOY_BAD_LENGTH, CONVOY_BAD_HANDLE, CONVOY_INVALID_ARGUMENT (an id that no convoy or task can
 * have), CONVOY_FORKED, CONVOY_PANICKED and CONVOY_POISONED. Under "# Safety" stands what the library cannot check:
 * where it does not hold, the behaviour of the program is undefined. "Callback" is any function of the program that the library
 * calls: those of the structures below, a wake, a log function, and their `destroy`.
 *
 * Times in JSON are RFC 3339 in UTC ("2030-01-31T12:00:00.000Z"), names that end with "_ms" are whole numbers of milliseconds,
 * and numbers that go in are whole and not negative.
 *
 * CONVOY_ABI_VERSION is 1 in the first release. Whatever only adds to this header leaves it as it is; any other change
 * raises it.
 *
 * An engine has threads, a database file and locks: it does not survive a fork (CONVOY_FORKED), and its database must
 * not be opened by another copy of SQLite in the same process: ask the engine instead (convoy_engine_events, _export).
 *
 * Agents that are programs outlive a process that ends, however it ends (a return from main, exit, a signal), unless
 * convoy_engine_shutdown was called before and has returned: the library installs no handler of the end or of signals. Such
 * programs go on working, also in the worktree of their task, until convoy_engine_resume or convoy_engine_cancel of their convoy,
 * in any later process, ends them. So have SIGINT and SIGTERM lead to convoy_engine_shutdown (which is not to be called
 * from a signal handler: let the handler wake the thread that calls it).
 *
 * The library keeps no error per thread, writes no log but where convoy_engine_builder_set_log says, and prints nothing,
 * with one exception: where it has a fault and panics, Rust's default hook writes a line to standard error before the
 * call returns CONVOY_PANICKED.
 */

#ifndef CONVOY_H
#define CONVOY_H

/* Generated from convoy-ffi by `cargo run -p convoy-tests --bin gen-header`; do not edit. */

#include <stddef.h>
#include <stdint.h>

/**
 * The number of this interface; 1 is that of the first release. It changes when something other than an addition is made:
 * a function, status or member that goes or moves, has another type or another meaning. Additions are functions,
 * statuses, members of JSON that comes out, and members at the end of structures that begin with `struct_size`.
 */
#define CONVOY_ABI_VERSION 1

/**
 * What became of a call. A number, once given out, never changes its meaning and is never used again; numbers that
 * this header does not name may come from a newer library and mean failure.
 *
 * Families: 1 to 99 are mistakes in the call itself, 100 to 199 are answers of the engine, 200 to 299 are no
 * failures but say that there is nothing (yet): they make no error object. 900 to 999 are faults of the library.
 */
enum convoy_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * The call did what it says. The only success.
     */
    CONVOY_OK = 0,
    /**
     * A pointer that must not be NULL is NULL; the message names the argument.
     */
    CONVOY_NULL_ARGUMENT = 1,
    /**
     * A text is not valid UTF-8; the message says at which byte.
     */
    CONVOY_BAD_UTF8 = 2,
    /**
     * A length is larger than any object can be, for example a negative number that was converted to `size_t`.
     */
    CONVOY_BAD_LENGTH = 3,
    /**
     * A text is not the JSON that the call asks for; the message names the member.
     */
    CONVOY_BAD_JSON = 4,
    /**
     * A handle is none: it was freed, is of another kind, or never came from this library.
     */
    CONVOY_BAD_HANDLE = 5,
    /**
     * A structure of functions is not as it must be: its `struct_size` is impossible, a function is missing that
     * must be there, or it holds something that this version of the library does not know.
     */
    CONVOY_BAD_STRUCT = 6,
    /**
     * The process is a fork of the one that began to use the library. Builders, engines, runs and completions do not work
     * in a fork: use them in the parent, or start a new program. (What needs none of them does, such as
     * `convoy_check_spec`.)
     */
    CONVOY_FORKED = 7,
    /**
     * The completion id is none, or not any more: it was resolved or rejected before, or the engine no longer
     * waits for it. Nothing was done.
     */
    CONVOY_NO_COMPLETION = 8,
    /**
     * The object was used up by an earlier call, such as a builder by `convoy_engine_build`.
     */
    CONVOY_USED_UP = 9,
    /**
     * A number is not one that the call knows; the message names the argument.
     */
    CONVOY_BAD_NUMBER = 10,
    /**
     * An argument is wrong: correct the call.
     */
    CONVOY_INVALID_ARGUMENT = 100,
    /**
     * The convoy file has errors: the details of the error list them, as `convoy_check_spec` does.
     */
    CONVOY_INVALID_SPEC = 101,
    /**
     * The convoy file or the builder asks for something that this version or this platform does not have; or a path that
     * would be given is no UTF-8, so that it is no text.
     */
    CONVOY_UNSUPPORTED = 102,
    /**
     * The repository cannot be used as it is.
     */
    CONVOY_REPOSITORY = 103,
    /**
     * No such convoy, task, attempt or artifact.
     */
    CONVOY_NOT_FOUND = 104,
    /**
     * Nothing is unfinished.
     */
    CONVOY_NOTHING_TO_RESUME = 105,
    /**
     * Another engine runs the convoy.
     */
    CONVOY_BUSY = 106,
    /**
     * The convoy is not in a state where this is possible.
     */
    CONVOY_STATE = 107,
    /**
     * No agent program can be used.
     */
    CONVOY_AGENT = 108,
    /**
     * The store failed: disk full, no permission, damaged, or of another program.
     */
    CONVOY_STORE = 109,
    /**
     * The engine is shut down.
     */
    CONVOY_CLOSED = 110,
    /**
     * There is nothing to read now; there may be later. No error object is made.
     */
    CONVOY_EMPTY = 200,
    /**
     * The time was over before it happened. No error object is made.
     */
    CONVOY_TIMED_OUT = 201,
    /**
     * There is nothing to read any more, ever. No error object is made.
     */
    CONVOY_END = 202,
    /**
     * The library has a fault: it panicked, and the panic was caught. Nothing was written to the outputs.
     */
    CONVOY_PANICKED = 900,
    /**
     * An earlier call on this engine, or on a run of it, panicked: free it and build a new one.
     */
    CONVOY_POISONED = 901,
    /**
     * The library has a fault, or the system gave it no thread; the message says more.
     */
    CONVOY_INTERNAL = 902,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum convoy_status convoy_status;
#else
typedef int32_t convoy_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * How much a record matters. `convoy_engine_builder_set_log` gets and gives these numbers.
 */
enum convoy_log_level
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * A run stopped without an end.
     */
    CONVOY_LOG_ERROR = 1,
    /**
     * A person should look at it.
     */
    CONVOY_LOG_WARN = 2,
    /**
     * What a person may want to know: convoys and tasks that begin, end, wait.
     */
    CONVOY_LOG_INFO = 3,
    /**
     * Everything that is recorded.
     */
    CONVOY_LOG_DEBUG = 4,
    /**
     * More than that.
     */
    CONVOY_LOG_TRACE = 5,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum convoy_log_level convoy_log_level;
#else
typedef int32_t convoy_log_level;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * An engine for one repository, with threads of its own. Made by `convoy_engine_build`, freed with
 * `convoy_engine_free`. Every function of it may be called from several threads at once.
 */
typedef struct convoy_engine convoy_engine;

/**
 * An engine before it exists: what it is to have is set here. Made by `convoy_engine_builder_new`, freed with
 * `convoy_engine_builder_free`. One call at a time.
 */
typedef struct convoy_engine_builder convoy_engine_builder;

/**
 * Why a call failed. Made by the call that failed, owned by the program, freed with `convoy_error_free`.
 *
 * An error never changes.
 */
typedef struct convoy_error convoy_error;

/**
 * A run of a convoy in this process: from start, resume, retry or publish to its end. Freed with `convoy_run_free`.
 * Every function of it may be called from several threads at once.
 */
typedef struct convoy_run convoy_run;

/**
 * A text that the library made and the program owns: it is given back with `convoy_string_free`.
 *
 * Both members are for reading only.
 */
typedef struct convoy_string {
    /**
     * `len` bytes of UTF-8 and a NUL after them. NULL once the text was freed.
     */
    char *data;
    /**
     * Number of bytes, the NUL not counted.
     */
    size_t len;
} convoy_string;

/**
 * An agent that is code of the program. Filled in by the program, all other bytes zero, and copied by
 * `convoy_engine_builder_add_adapter`.
 *
 * The functions come on threads of the library, several at a time (one for each agent that runs), with no lock
 * held. They should return soon: do the work on a thread or event loop of your own, and answer with
 * `convoy_completion_resolve` or `convoy_completion_reject`. One that does not return keeps a thread, and nothing
 * else waits for it; but where 512 of one engine have not returned, wake functions included, no other is called until
 * one does, and the log has a warning. They may call any function of the library. They must not throw or longjmp.
 *
 * The answer of an agent is JSON: `{"outcome": "succeeded" | "failed" | "cancelled"}` ("cancelled" only when it was: an
 * agent that nobody cancelled has failed by it) and, all optional: "failure"
 * (exactly where it failed: {"message": TEXT, "failure_type": "error" (the default) | "refused" | "turn-limit" |
 * "needs-input" | "idle" | "timeout" (these may be tried again) | "rate-limit" (the task waits until "retry_at", or a
 * while) | "not-installed" | "auth" | "contract" (no task is given to this adapter any more), "output_tail": TEXT,
 * "retry_at": RFC 3339 time}; other types are the engine's, and refused), "exit_code", "session"
 * (to be continued a next time), "usage" ({"input", "cached_input", "cache_write", "output": tokens, "cost_usd"}; a
 * number that is not known is left out), "result_text" (the end of what the agent said; 64 KiB are kept).
 */
typedef struct convoy_agent_adapter {
    /**
     * `sizeof(convoy_agent_adapter)`.
     */
    size_t struct_size;
    /**
     * Comes back as the first argument of every function. May be used on any thread.
     */
    void *user_data;
    /**
     * NULL, or called exactly once, when no other function of this structure runs or will be called any more:
     * after the engine is freed and its runs have ended, or when the adapter was refused.
     */
    void (*destroy)(void *user_data);
    /**
     * Begins to run an agent. `request` is JSON on one line, `len` bytes and a NUL, and gone when this returns:
     * "adapter" (the name), "prompt" (the whole text that the agent gets), "cwd" (the folder it works in, its own), "env" (its
     * complete environment, an object), "task" (the id; null where it works for the whole convoy), "attempt" (a number from
     * 1; null there, and where it judges the work of another), "worker_id" (marks what it starts:
     * CONVOY.TASK_INDEX.ATTEMPT for an attempt), "timeout_ms" (the longest it may run),
     * "grace_ms" (the time to end it after that), "read_only" (boolean), and where there is one "model", "session"
     * (to be continued) and "idle_ms" (the longest it may be silent). Later versions may add members.
     */
    void (*execute)(void *user_data, const char *request, size_t len, uint64_t completion_id);
    /**
     * NULL, or asks to end the agent soon: it was cancelled, took too long, or the engine ends. Comes at most once
     * for a number, and after `execute` has returned for it. Answer still, with the outcome "cancelled": an answer counts as it
     * says, so that "succeeded" of an agent that was cut off has its half of the work land. After "grace_ms" the engine waits
     * no longer, and the agent counts as cancelled.
     */
    void (*cancel)(void *user_data, uint64_t completion_id);
} convoy_agent_adapter;

/**
 * A reviewer that is code of the program, in the place of the reviewing agent. Filled in by the program, all other
 * bytes zero, and copied by `convoy_engine_builder_set_review_runner`. Its functions come as those of
 * `convoy_agent_adapter` do, and what is said there of threads holds here.
 *
 * The answer of a review is JSON: "verdict" ("pass", "block" or "could-not": there is no judgement, which is never
 * taken for a pass) and, optional, "text" (remarks; what must change, for the agent that tries again; or why there is
 * no judgement; 64 KiB are kept) and "usage" (as in the answer of an agent). A rejected completion is "could-not".
 * Where the file asks for the review ("fast", "panel"), "could-not" blocks the work: the attempt fails, and the event
 * "review_verdict" says "block", with "could_not" and the reason. Where it is up to the engine ("auto") the work lands and is counted
 * as not reviewed ("skipped").
 */
typedef struct convoy_review_runner {
    /**
     * `sizeof(convoy_review_runner)`.
     */
    size_t struct_size;
    /**
     * Comes back as the first argument of every function. May be used on any thread.
     */
    void *user_data;
    /**
     * NULL, or called exactly once, as that of `convoy_agent_adapter`.
     */
    void (*destroy)(void *user_data);
    /**
     * Begins to judge one piece of work. `request` is JSON on one line, `len` bytes and a NUL, and gone when this
     * returns: "task" (the id), "prompt" (what its agent was asked), "level" ("fast" or "panel"; members of a panel are
     * separate calls), "base" and "commit" (object ids: the work, and what it started from), "paths" (that changed),
     * "diff" (text, redacted, at most 512 KiB), "diff_truncated" (boolean: its end is missing; say so in the
     * verdict), "nonce" (a word that nobody could know while the work was made), "checkout" (a folder with the files
     * of the base, to read in), "env" (the environment of what the review starts), "worker_id", "timeout_ms". The
     * work is not trusted: text in the diff is data.
     */
    void (*review)(void *user_data, const char *request, size_t len, uint64_t completion_id);
    /**
     * NULL, or says that the judgement is no longer needed. Comes at most once for a number, and after `review` has
     * returned for it. The engine waits one second for an answer.
     */
    void (*cancel)(void *user_data, uint64_t completion_id);
} convoy_review_runner;

/**
 * Where work lands, as code of the program, in the place of the git merge queue. Filled in by the program, all other
 * bytes zero, and copied by `convoy_engine_builder_set_merge_queue`. Its functions come as those of
 * `convoy_agent_adapter` do, and what is said there of threads holds here.
 *
 * Landing has three steps, so that it happens exactly once whatever crashes: `prepare` makes the landing commit, which
 * nobody sees yet; the engine records it; `advance` moves the ref, and is asked again after a crash; where it did not
 * answer "advanced", `settle` says whether the ref has moved all the same. There is no time limit while the engine
 * lives: answer every call. When it is shut down or freed it waits for "grace_ms" more (an option of the builder), and
 * interrupts the convoy without an answer; when that is resumed, it asks again, as after a crash.
 *
 * The engine looks up what was prepared, and that the ref has moved, in the repository of the engine; requests do not
 * name it, so keep what you need in `user_data`. What does not hold is an error that says so. A `prepare` that is
 * rejected or wrong fails the attempt ("merge-error"): its agent tries again while there are retries. An `advance` that
 * is rejected is asked once more, and then the run ends with CONVOY_REPOSITORY rather than guess; so it does when it
 * moves nothing, three times. What was prepared is landed when the convoy is resumed.
 *
 * Requests are JSON on one line, `len` bytes and a NUL, and gone when the function returns.
 */
typedef struct convoy_merge_queue {
    /**
     * `sizeof(convoy_merge_queue)`.
     */
    size_t struct_size;
    /**
     * Comes back as the first argument of every function. May be used on any thread.
     */
    void *user_data;
    /**
     * NULL, or called exactly once, as that of `convoy_agent_adapter`.
     */
    void (*destroy)(void *user_data);
    /**
     * Merges work onto the tip without touching files or refs, and writes the landing commit, with the parents tip and
     * work, durably. Request: "integration_ref" (the full name of the ref), "tip" (the commit to land onto: where the
     * ref is or, in a convoy with `merge.verify`, a landing commit on top of that, which has not landed), "work"
     * (the commit that was checked), "message" (of the landing commit, whole). Answer: {"outcome": "prepared",
     * "commit": OID} (a new commit, with the whole message), {"outcome": "nothing-to-land"} (the tip has the work already), or {"outcome": "conflict", "tree": OID
     * (merged, with markers), "paths": [...]} (never empty). May be asked twice for the same.
     */
    void (*prepare)(void *user_data, const char *request, size_t len, uint64_t completion_id);
    /**
     * Moves the ref from "onto" to the landing commit by compare-and-swap, durably. Request: "integration_ref",
     * "commit", "onto" (with `merge.verify` there may be several landing commits between them, which all land), "fence" (the number of the engine's lease on this convoy, which grows with every new holder: once a
     * number has been seen for a ref, a smaller one is refused; keep it as durably as the ref). Answer: {"outcome": "advanced"} (also when the ref reaches the commit
     * already), {"outcome": "moved", "now": OID or null} (the ref is elsewhere, and was not moved), {"outcome":
     * "fenced", "newer": NUMBER} (nothing was moved; the run ends with CONVOY_BUSY).
     */
    void (*advance)(void *user_data, const char *request, size_t len, uint64_t completion_id);
    /**
     * Looks whether the ref reaches a prepared commit, which need not exist any more; changes nothing. Request:
     * "integration_ref", "commit", "onto". Answer: {"outcome": "landed"} or {"outcome": "not-landed"}.
     */
    void (*settle)(void *user_data, const char *request, size_t len, uint64_t completion_id);
    /**
     * NULL, or asks for an end soon: the engine is shut down or freed. Comes at most once for a number, and after the
     * function that began it has returned. Answer still, with what was done; a rejection is taken as no answer then.
     * After "grace_ms" the engine waits no longer.
     */
    void (*cancel)(void *user_data, uint64_t completion_id);
} convoy_merge_queue;

/**
 * A gate, a prompt source or a hook that is code of the program. Filled in by the program, all other bytes zero, and
 * copied by `convoy_engine_builder_add_gate`, `_add_prompt_source` or `_add_hook`. Its functions come as those of
 * `convoy_agent_adapter` do, and what is said there of threads holds here.
 *
 * The answer of a gate and of a hook is JSON: {"outcome": "pass"} or {"outcome": "fail", "reason": TEXT} (one line, and
 * more after it where that helps; of a gate the next attempt is told). That of a prompt source: {"part": "nothing"},
 * {"part": "instructions", "text": TEXT} (the program's own words) or {"part": "data", "text": TEXT} (text from
 * elsewhere, which the agent is told to take as data); at most 1 MiB. A rejected completion has failed for the reason
 * that is given, which the events tell. Secrets in texts are redacted.
 *
 * There is a time limit, the `gate_timeout` of the task, after which it has failed.
 */
typedef struct convoy_host_code {
    /**
     * `sizeof(convoy_host_code)`.
     */
    size_t struct_size;
    /**
     * Comes back as the first argument of every function. May be used on any thread.
     */
    void *user_data;
    /**
     * NULL, or called exactly once, as that of `convoy_agent_adapter`.
     */
    void (*destroy)(void *user_data);
    /**
     * Begins to judge, to give a text, or to run. `request` is JSON on one line, `len` bytes and a NUL, and gone when
     * this returns: "kind" ("gate", "prompt" or "hook"), "name", "convoy_id", "worktree" (the folder) and, except for a
     * hook at the end of a convoy, "task" (the id), "prompt" (of the task), "agent" (the role), "attempt_no" and
     * "timeout_ms".
     * A gate has also "base", "commit" and "tree" (object ids: what the work began with, and the work), "changed_files",
     * "diff" (text, redacted, at most 1 MiB) and "diff_truncated" (boolean); its worktree holds the files of the work,
     * and what it edits there is undone.
     * A prompt source may have "feedback": what failed in the attempt before ("failure_type", "message", ...).
     * A hook has "on" ("pre_task", "post_task" or "post_convoy"); what one of a task edits is part of the work.
     * Later versions may add members.
     */
    void (*call)(void *user_data, const char *request, size_t len, uint64_t completion_id);
    /**
     * NULL, or says that the answer is no longer needed: the run stops, or the time is over. Comes at most once for a
     * number, and after `call` has returned for it.
     */
    void (*cancel)(void *user_data, uint64_t completion_id);
} convoy_host_code;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The number of the interface that the loaded library has. A program compares it with `CONVOY_ABI_VERSION`, the
 * number it was compiled with, before it makes any other call; where they differ, it must not go on.
 *
 * Ownership: the number is a copy.
 * Threads: any, at any time. Does not wait.
 * Errors: none.
 */
uint32_t convoy_abi_version(void);

/**
 * The version of the loaded library, for people: "MAJOR.MINOR.PATCH", perhaps with a suffix as in "1.0.0-beta.2".
 *
 * The text is NUL-terminated, belongs to the library and stays valid as long as the library is loaded; it must not be
 * freed.
 *
 * Ownership: the text belongs to the library.
 * Threads: any, at any time. Does not wait.
 * Errors: none.
 */
const char *convoy_version(void);

/**
 * The name of a status, such as "CONVOY_BUSY"; "CONVOY_UNKNOWN" for a number that this library does not have.
 *
 * The text is NUL-terminated, belongs to the library and stays valid as long as the library is loaded; it must not be
 * freed.
 *
 * Ownership: the text belongs to the library.
 * Threads: any, at any time. Does not wait.
 * Errors: none.
 */
const char *convoy_status_name(int32_t status);

/**
 * The status of an error: the same as the call returned that made it. `CONVOY_OK` for NULL, which is no error.
 *
 * Ownership: the error stays yours.
 * Threads: any, at once, also on one error. Does not wait.
 * Errors: none.
 *
 * # Safety
 * `error` must be NULL or an error that is not yet freed.
 */
convoy_status convoy_error_status(const struct convoy_error *error);

/**
 * What went wrong and what to do about it: UTF-8, for people, NUL-terminated and without a NUL before its end.
 * It belongs to the error and stays valid until the error is freed. Never NULL; empty for a NULL `error`.
 *
 * `len`, if it is not NULL, is set to the number of bytes, the NUL not counted.
 *
 * Ownership: the text belongs to the error.
 * Threads: any, at once, also on one error. Does not wait.
 * Errors: none.
 *
 * # Safety
 * `error` must be NULL or an error that is not yet freed; `len` must be NULL or writable.
 */
const char *convoy_error_message(const struct convoy_error *error,
                                 size_t *len);

/**
 * The message and, after colons, those of its causes: what a program prints, once. Otherwise as
 * `convoy_error_message`.
 *
 * Ownership: the text belongs to the error.
 * Threads: any, at once, also on one error. Does not wait.
 * Errors: none.
 *
 * # Safety
 * `error` must be NULL or an error that is not yet freed; `len` must be NULL or writable.
 */
const char *convoy_error_chain(const struct convoy_error *error, size_t *len);

/**
 * Details for programs, as JSON; empty where there are none. With CONVOY_INVALID_SPEC it is the list of problems,
 * as in the "problems" of `convoy_check_spec`. Otherwise as `convoy_error_message`.
 *
 * Ownership: the text belongs to the error.
 * Threads: any, at once, also on one error. Does not wait.
 * Errors: none.
 *
 * # Safety
 * `error` must be NULL or an error that is not yet freed; `len` must be NULL or writable.
 */
const char *convoy_error_details(const struct convoy_error *error,
                                 size_t *len);

/**
 * Frees an error. NULL is fine to free. The error must not be in use on any other thread.
 *
 * Ownership: the error is gone.
 * Threads: any; one error on one thread, where no other uses it. Does not wait.
 * Errors: none.
 *
 * # Safety
 * `error` must be NULL or an error that is not yet freed.
 */
void convoy_error_free(struct convoy_error *error);

/**
 * Frees a text that the library made, and sets its members to NULL and 0, so that freeing it again does nothing.
 * NULL, and a `convoy_string` that is all zero, are fine to free.
 *
 * Copies of the structure share the one text: free it through one of them and forget the others.
 *
 * Ownership: the text is gone.
 * Threads: any; one text on one thread, different ones at once. Does not wait.
 * Errors: none.
 *
 * # Safety
 * `string` must be NULL or point to a `convoy_string` that is all zero or as the library wrote it.
 */
void convoy_string_free(struct convoy_string *string);

/**
 * Checks the text of a convoy file and reports every problem in it at once. Nothing is run, and no file is read.
 *
 * `text` is the convoy file, in YAML or JSON: `len` bytes of UTF-8. NULL with a `len` of 0 is an empty text. It is
 * not kept.
 *
 * `out` receives JSON on one line: `{"ok": BOOLEAN, "problems": [PROBLEM, ...]}`. "ok" says whether the file is
 * valid: it is true as long as no problem is an error. Problems stand in the order of the text. Each has
 * "severity" ("error" or "warning"), "line" and "column" (numbers from 1; columns count characters), "path" (the
 * field, as in `tasks[3].timeout`; empty for the file as a whole), "message" (what was found and what is allowed)
 * and, where there is something to say, "hint" (what to do about it). Later versions may add members.
 *
 * A file with problems is a successful check: CONVOY_OK. The failures are CONVOY_NULL_ARGUMENT (`text` with a `len`
 * above 0, or `out`), CONVOY_BAD_LENGTH, CONVOY_BAD_UTF8 and CONVOY_PANICKED.
 *
 * Ownership: `out` is yours: free it with `convoy_string_free`. Nothing that goes in is kept.
 * Threads: any, at once. Does not wait.
 * Errors: CONVOY_NULL_ARGUMENT (`text` with a `len` above 0, or `out`), CONVOY_BAD_LENGTH, CONVOY_BAD_UTF8 and
 * CONVOY_PANICKED.
 *
 * # Safety
 * `text` must be NULL or point to `len` readable bytes that do not change during the call. `out` must be NULL or
 * writable, and `err` too.
 */
convoy_status convoy_check_spec(const char *text,
                                size_t len,
                                struct convoy_string *out,
                                struct convoy_error **err);

/**
 * Fills in a formula, which is a template of a convoy file, and checks what comes of it.
 *
 * `text` is the formula: `len` bytes of UTF-8. `values` is a JSON object of texts, the values of its variables by their
 * names; NULL with a length of 0 = none. Neither is kept, and values are never read as YAML.
 *
 * `out` receives what `convoy_check_spec` gives, with the places of the problems in the formula, and "spec": the text
 * of the convoy file, to be given to `convoy_engine_start`, or null where the formula cannot be filled in. A formula
 * with problems is a successful check, too.
 *
 * Ownership: `out` is yours: free it with `convoy_string_free`. Nothing that goes in is kept.
 * Threads: any, at once. Does not wait.
 * Errors: those of `convoy_check_spec`, and CONVOY_BAD_JSON (`values`).
 *
 * # Safety
 * `text` and `values` must be NULL or point to so many readable bytes that do not change during the call. `out` must
 * be NULL or writable, and `err` too.
 */
convoy_status convoy_check_formula(const char *text,
                                   size_t len,
                                   const char *values,
                                   size_t values_len,
                                   struct convoy_string *out,
                                   struct convoy_error **err);

/**
 * Begins to build an engine for the git repository that the path `repository` is in (`len` bytes of UTF-8, not kept).
 * Nothing is looked at yet.
 *
 * `out` receives the builder.
 *
 * Ownership: `out` is yours: free it with `convoy_engine_builder_free`. Nothing that goes in is kept.
 * Threads: any, at once. Does not wait.
 * Errors: CONVOY_NULL_ARGUMENT, CONVOY_BAD_UTF8, CONVOY_BAD_LENGTH, CONVOY_INVALID_ARGUMENT (an empty path),
 * CONVOY_FORKED.
 *
 * # Safety
 * `repository` must be NULL or point to `len` readable bytes that do not change during the call. `out` must be NULL
 * or writable, and `err` too.
 */
convoy_status convoy_engine_builder_new(const char *repository,
                                        size_t len,
                                        struct convoy_engine_builder **out,
                                        struct convoy_error **err);

/**
 * Frees a builder, with the adapters that no engine has taken over. NULL is fine, as is one that was freed already.
 *
 * Ownership: the builder is gone, and what it holds is destroyed.
 * Threads: any, where no other uses the builder. Does not wait.
 * Errors: none.
 */
void convoy_engine_builder_free(struct convoy_engine_builder *builder);

/**
 * Sets the options of the engine, all of them at once: `options` is a JSON object (`len` bytes of UTF-8, not kept)
 * with these members, all optional:
 * "env" (object of texts): the whole environment of agents, gates and git. The library reads none of its own accord,
 * so without a "PATH" few programs are found: it is this "PATH" that counts, not that of the process.
 * "state_dir" (text): where database, logs and worktrees are kept; else `.convoy` beside the main worktree.
 * "secrets" (list of texts of 4 bytes or more): values that must never be stored, logged or shown.
 * "actor" (text): who acts, for the record; else "host".
 * "grace_ms" (number): the time between asking a program to end and killing it; else 5000.
 * "git" (text): the git program; else "git", from the PATH of "env" (without one, from the folders that the system
 * has for that case).
 * "git_backend": "auto" (the default: what this process is certain to do as git would it does itself) or "reference" (the
 * git program does everything). The results are the same.
 * "store": "sqlite" (the default) or "memory": the record of convoys is not kept when the engine is freed. What else they leave
 * stays: refs below `refs/convoy/CONVOY/`, and their logs in the state directory (`logs/CONVOY/`). No other engine knows of
 * them, so that `convoy_engine_prune` of this one, before it is freed, is the way to have them deleted; later they are yours to
 * delete, with `git update-ref -d` and as files.
 * "adapter_limits" (object): by the name of an adapter, how much of it is used at once, over all convoys of this engine:
 * an object with "max_concurrent" (attempts that work at once, from 1) and "stagger_ms" (the time between two starts),
 * both optional. `convoy_engine_build` refuses names of adapters that are not there.
 * "profile_limits" (object): the same, also for adapters that convoy files define under `adapters:`; the engine then
 * begins and resumes only convoys that have them.
 * "keep_for_ms" (number): convoys that ended longer ago are pruned when the engine is built, unless "create" is false, and
 * whenever one of its convoys has ended, as `convoy_engine_prune` does it by "older_than_ms"; else they are kept.
 * "keep_convoys" (number): the same for those that ended before so many others.
 * "logs_quota_bytes" (number): while the logs of all convoys have more bytes, those of ended ones are removed, the oldest
 * first. What is done about these three is told to the log, and by `convoy_engine_last_retention`.
 * "create" (boolean): false = fail with CONVOY_NOT_FOUND when nothing is stored there yet; else true.
 *
 * Ownership: nothing changes hands. Nothing that goes in is kept.
 * Threads: one call at a time on one builder. Does not wait.
 * Errors: CONVOY_BAD_JSON for anything else, CONVOY_INVALID_ARGUMENT for a variable that no program can be given and for an
 * empty "state_dir",
 * CONVOY_USED_UP when the engine is built, and the mistakes in the call.
 *
 * # Safety
 * `options` must be NULL or point to `len` readable bytes that do not change during the call. `err` must be NULL or
 * writable.
 */
convoy_status convoy_engine_builder_set_options(const struct convoy_engine_builder *builder,
                                                const char *options,
                                                size_t len,
                                                struct convoy_error **err);

/**
 * Gives the engine an agent that is code of the program. Tasks name it by `adapter:`; it takes the place of one of the same
 * name. The structure is copied; its `user_data` belongs to the library from here on, also when this fails: `destroy`
 * is called exactly once. (Only if `struct_size` is impossible there is nothing that could be called.)
 *
 * `description` is a JSON object (`len` bytes of UTF-8, not kept): "name" (lower-case letters, digits, `-`, `_`, `.`)
 * and, optional, "account" (sessions and rate limits belong to name and account together) and "capabilities", an
 * object of booleans that are false where they are not given: "resume" (sessions can be continued), "model" (a model
 * can be chosen), "read_only" (a run that may only read can be enforced), "usage" (it reports tokens), "cost" (it
 * reports money), "mcp". What an adapter cannot do it is not asked for.
 *
 * Ownership: the structure is copied, and its `user_data` belongs to the library from here on, also when this fails.
 * Texts are not kept.
 * Threads: one call at a time on one builder. Does not wait.
 * Errors: CONVOY_BAD_STRUCT, CONVOY_BAD_JSON, CONVOY_INVALID_ARGUMENT (the name), CONVOY_USED_UP, and the mistakes in
 * the call.
 *
 * # Safety
 * `description` must be NULL or point to `len` readable bytes that do not change during the call. `adapter` must be
 * NULL or point to a structure of the size that it says, whose functions are as described there and may be called
 * on any thread. `err` must be NULL or writable.
 */
convoy_status convoy_engine_builder_add_adapter(const struct convoy_engine_builder *builder,
                                                const char *description,
                                                size_t len,
                                                const struct convoy_agent_adapter *adapter,
                                                struct convoy_error **err);

/**
 * Has the program's own code review work, in the place of the reviewing agent, wherever the convoy file asks for a
 * review. `description` is a JSON object: "name", which events show, and, optional, "model". It takes the place of an
 * earlier one. Otherwise as `convoy_engine_builder_add_adapter`.
 *
 * Ownership: the structure is copied, and its `user_data` belongs to the library from here on, also when this fails.
 * Texts are not kept.
 * Threads: one call at a time on one builder. Does not wait.
 * Errors: those of `convoy_engine_builder_add_adapter`.
 *
 * # Safety
 * `description` must be NULL or point to `len` readable bytes that do not change during the call. `runner` must be
 * NULL or point to a structure of the size that it says, whose functions are as described there and may be called
 * on any thread. `err` must be NULL or writable.
 */
convoy_status convoy_engine_builder_set_review_runner(const struct convoy_engine_builder *builder,
                                                      const char *description,
                                                      size_t len,
                                                      const struct convoy_review_runner *runner,
                                                      struct convoy_error **err);

/**
 * Has work land by the program's own code, in the place of the git merge queue. It takes the place of an earlier one.
 * Otherwise as `convoy_engine_builder_add_adapter`.
 *
 * Ownership: the structure is copied, and its `user_data` belongs to the library from here on, also when this fails.
 * Texts are not kept.
 * Threads: one call at a time on one builder. Does not wait.
 * Errors: CONVOY_BAD_STRUCT, CONVOY_USED_UP, and the mistakes in the call.
 *
 * # Safety
 * `queue` must be NULL or point to a structure of the size that it says, whose functions are as described there and
 * may be called on any thread. `err` must be NULL or writable.
 */
convoy_status convoy_engine_builder_set_merge_queue(const struct convoy_engine_builder *builder,
                                                    const struct convoy_merge_queue *queue,
                                                    struct convoy_error **err);

/**
 * Adds a gate that is code of the program, for tasks that name it in `host_gates`: it judges work after the task's own
 * commands, and before it lands. `name` is `len` bytes of UTF-8, not kept; one that was there is replaced.
 *
 * The structure is copied; its `user_data` belongs to the library from here on, also when this fails, as with
 * `convoy_engine_builder_add_adapter`.
 *
 * Ownership: the structure is copied, and its `user_data` belongs to the library from here on, also when this fails.
 * Texts are not kept.
 * Threads: one call at a time on one builder. Does not wait.
 * Errors: CONVOY_BAD_STRUCT, CONVOY_INVALID_ARGUMENT (no name), CONVOY_USED_UP, and the mistakes in the call.
 *
 * # Safety
 * `name` must be NULL or point to `len` readable bytes that do not change during the call. `code` must be NULL or point
 * to a structure of the size that it says, whose functions are as described there and may be called on any thread.
 * `err` must be NULL or writable.
 */
convoy_status convoy_engine_builder_add_gate(const struct convoy_engine_builder *builder,
                                             const char *name,
                                             size_t len,
                                             const struct convoy_host_code *code,
                                             struct convoy_error **err);

/**
 * Adds a prompt source that is code of the program, for tasks that name it in `host_prompts`: it is asked in every attempt,
 * and what it gives stands before the prompt of the task. Otherwise as `convoy_engine_builder_add_gate`.
 *
 * Ownership: the structure is copied, and its `user_data` belongs to the library from here on, also when this fails.
 * Texts are not kept.
 * Threads: one call at a time on one builder. Does not wait.
 * Errors: those of `convoy_engine_builder_add_gate`.
 *
 * # Safety
 * `name` must be NULL or point to `len` readable bytes that do not change during the call. `code` must be NULL or point
 * to a structure of the size that it says, whose functions are as described there and may be called on any thread.
 * `err` must be NULL or writable.
 */
convoy_status convoy_engine_builder_add_prompt_source(const struct convoy_engine_builder *builder,
                                                      const char *name,
                                                      size_t len,
                                                      const struct convoy_host_code *code,
                                                      struct convoy_error **err);

/**
 * Adds a hook that is code of the program, for hooks of `type: host` that name it. Where it fails, the task is
 * "hook-failed". Otherwise as `convoy_engine_builder_add_gate`.
 *
 * Ownership: the structure is copied, and its `user_data` belongs to the library from here on, also when this fails.
 * Texts are not kept.
 * Threads: one call at a time on one builder. Does not wait.
 * Errors: those of `convoy_engine_builder_add_gate`.
 *
 * # Safety
 * `name` must be NULL or point to `len` readable bytes that do not change during the call. `code` must be NULL or point
 * to a structure of the size that it says, whose functions are as described there and may be called on any thread.
 * `err` must be NULL or writable.
 */
convoy_status convoy_engine_builder_add_hook(const struct convoy_engine_builder *builder,
                                             const char *name,
                                             size_t len,
                                             const struct convoy_host_code *code,
                                             struct convoy_error **err);

/**
 * Has what the engine tells of itself handed to `log`, from `level` (one of convoy_log_level) up to CONVOY_LOG_ERROR. It
 * takes the place of an earlier one; NULL for `log` takes that away. Without it nothing is told.
 *
 * `record` is JSON on one line, `len` bytes and a NUL, and gone when `log` returns: "level" ("error", "warn", ...; `level`
 * is its number), "target" (where in the engine), "message" and, where they are known, "convoy", "task", "attempt", "event"
 * (the type of what was recorded), "span" ("work", "check", "land", "publish", "recovery", ...) and others. Secrets are
 * redacted, as in events.
 *
 * `log` comes on a thread of its own, which no other callback uses, one record at a time and in order, with no lock held; the engine never waits for it:
 * while 1024 records wait, others are lost, and a record says how many, also at the end. It may call any function of the library, and
 * must not throw or longjmp. `user_data` belongs to the library from here on, also when this fails: `destroy`, unless
 * it is NULL, is called exactly once, after the last record: when the engine is freed and its runs have ended.
 *
 * Ownership: `user_data` belongs to the library from here on, also when this fails.
 * Threads: one call at a time on one builder. Does not wait.
 * Errors: CONVOY_BAD_NUMBER (`level`), CONVOY_USED_UP and the mistakes in the call.
 *
 * # Safety
 * `log` and `destroy` must be NULL or functions that may be called with `user_data` on any thread. `err` must be NULL or
 * writable.
 */
convoy_status convoy_engine_builder_set_log(const struct convoy_engine_builder *builder,
                                            int32_t level,
                                            void (*log)(void *user_data,
                                                        int32_t level,
                                                        const char *record,
                                                        size_t len),
                                            void *user_data,
                                            void (*destroy)(void *user_data),
                                            struct convoy_error **err);

/**
 * Builds the engine: opens the repository and the store, if there is one yet (the state directory is made when the first
 * convoy starts), and starts the engine's threads. The builder is used up by this, also when it fails, and is still to be
 * freed. Several engines may be there for one repository, in one process or several; each convoy is run by one of them.
 *
 * `out` receives the engine. Waits for git and the disk.
 *
 * Ownership: `out` is yours: free it with `convoy_engine_free`. The builder is used up, and still yours to free.
 * Threads: one call at a time on one builder. Waits for git and the disk.
 * Errors: CONVOY_UNSUPPORTED (the platform), CONVOY_INVALID_ARGUMENT (a limit, or a secret that is too short),
 * CONVOY_REPOSITORY, CONVOY_STORE, CONVOY_NOT_FOUND (the option "create"), CONVOY_USED_UP, CONVOY_INTERNAL (no more
 * threads), and the mistakes in the call.
 *
 * # Safety
 * `out` must be NULL or writable, and `err` too.
 */
convoy_status convoy_engine_build(const struct convoy_engine_builder *builder,
                                  struct convoy_engine **out,
                                  struct convoy_error **err);

/**
 * Frees an engine. Its runs are interrupted, which can be resumed later, and end by themselves soon after, if the process
 * goes on for so long; this does not wait for it (`convoy_engine_shutdown` does). Where the process ends first, programs of
 * agents go on working until `convoy_engine_resume` or `convoy_engine_cancel` of their convoy ends them: before the end of the
 * process, call `convoy_engine_shutdown`. Handles of its runs stay usable, to wait for that end and to read
 * their events, and must be freed too. Questions to code of the program that are open then are cancelled: what is not
 * answered within "grace_ms" (of the builder's options) is given up.
 *
 * NULL is fine, as is an engine that was freed already, and a call from any callback.
 *
 * Ownership: the engine is gone; handles of its runs stay yours.
 * Threads: any, also a callback. Does not wait.
 * Errors: none.
 */
void convoy_engine_free(struct convoy_engine *engine);

/**
 * Interrupts every run of the engine, waits until they have ended, and closes the store: other calls on the engine
 * answer CONVOY_CLOSED afterwards, but for `convoy_engine_plan` and `convoy_engine_state_dir`, which need no store. What was interrupted can be resumed. Handles of its runs stay usable, and give the
 * result and every event as before. The engine must still be freed.
 *
 * Waits for as long as agents, steps of a merge queue and others that are code of the program take to answer that they
 * are cancelled: not from a callback, and not from the only thread that could answer. There it returns, too, but only
 * when "grace_ms" (of the builder's options) are over and the engine has given them up.
 *
 * Ownership: the engine stays yours to free.
 * Threads: any, at once; not a callback. Waits for what runs to end, and for the disk.
 * Errors: the mistakes in the call.
 *
 * # Safety
 * `err` must be NULL or writable.
 */
convoy_status convoy_engine_shutdown(const struct convoy_engine *engine,
                                     struct convoy_error **err);

/**
 * The folder in which the engine keeps its database, logs and worktrees: `out` receives its path.
 *
 * Ownership: `out` is yours: free it with `convoy_string_free`. Nothing that goes in is kept.
 * Threads: any, at once. Does not wait.
 * Errors: CONVOY_UNSUPPORTED (the path is no UTF-8, so that it is no text) and the mistakes in the call.
 *
 * # Safety
 * `out` must be NULL or writable, and `err` too.
 */
convoy_status convoy_engine_state_dir(const struct convoy_engine *engine,
                                      struct convoy_string *out,
                                      struct convoy_error **err);

/**
 * What `convoy_engine_start` would run, without starting or storing anything (a dry run). Arguments are those of
 * `convoy_engine_start`. It looks at nothing but its arguments.
 *
 * `out` receives JSON, to be freed with `convoy_string_free`: "name", "concurrency" (a number or "auto"), "branch"
 * (null: the one that is checked out), "phases" (a number) and "tasks", in the order of the file, each with "id",
 * "phase" (from 1), "agent", "adapter" (or null), "depends_on", "overlaps" (tasks that are not run at the same time),
 * "files" and "gates"; and "warnings" (texts: what is odd about the file but does not refuse it, an unknown key for
 * example).
 *
 * Ownership: `out` is yours: free it with `convoy_string_free`. Nothing that goes in is kept.
 * Threads: any, at once. Does not wait.
 * Errors: CONVOY_INVALID_SPEC (with the problems, as `convoy_engine_start`), CONVOY_UNSUPPORTED, CONVOY_BAD_JSON (the
 * options) and the mistakes in the call.
 *
 * # Safety
 * `spec` and `options` must be NULL or point to so many readable bytes that do not change during the call. `out`
 * must be NULL or writable, and `err` too.
 */
convoy_status convoy_engine_plan(const struct convoy_engine *engine,
                                 const char *spec,
                                 size_t spec_len,
                                 const char *options,
                                 size_t options_len,
                                 struct convoy_string *out,
                                 struct convoy_error **err);

/**
 * Records a convoy and starts it. `spec` is the text of the convoy file, in YAML or JSON: its fields, their defaults
 * and what they mean stand in REFERENCE.md (see the top of this header). `options` is NULL with a
 * length of 0, or a JSON object with these members, all optional: "concurrency" (a number or "auto"), "adapter" and
 * "branch" (instead of the file's), "max_injected" (tasks that may be added while it runs), "inject_file" (boolean:
 * take tasks from a file, too). Both are UTF-8 and not kept.
 *
 * A branch that does not exist is made, from HEAD. Tasks for which neither the file nor "adapter" names one get the
 * first adapter that can be used: the built-in ones, then the others in the order of their names.
 *
 * What it leaves in the repository: the state directory, with a line in `.git/info/exclude` that hides it from `git
 * status` if it lies in a checkout, and refs below `refs/convoy/`, which keep what landed and what every attempt made.
 *
 * `out` receives the run. Waits for git and the disk, not for agents.
 *
 * Ownership: `out` is yours: free it with `convoy_run_free`. Nothing that goes in is kept.
 * Threads: any, at once. Waits for git and the disk, not for agents.
 * Errors: CONVOY_INVALID_SPEC (the details of the error list the problems, as `convoy_check_spec` does),
 * CONVOY_INVALID_ARGUMENT (a "concurrency" that there cannot be), CONVOY_UNSUPPORTED (the file names a gate, prompt source or
 * hook of the program that the engine does not have, for example), CONVOY_REPOSITORY (no commit, no branch to land on, or no
 * possible name of one), CONVOY_AGENT (a program that the file
 * names is not there, or it asks for reviews that nobody can make), CONVOY_STORE (also when the state directory cannot
 * be made), CONVOY_CLOSED, CONVOY_BAD_JSON (the options) and the mistakes in the call. Nothing is started then.
 *
 * # Safety
 * `spec` and `options` must be NULL or point to so many readable bytes that do not change during the call. `out`
 * must be NULL or writable, and `err` too.
 */
convoy_status convoy_engine_start(const struct convoy_engine *engine,
                                  const char *spec,
                                  size_t spec_len,
                                  const char *options,
                                  size_t options_len,
                                  struct convoy_run **out,
                                  struct convoy_error **err);

/**
 * Takes up a convoy that was interrupted, crashed, or is still to be published: the one that `convoy` names, or the
 * newest that nobody runs when it is NULL with a length of 0. (To resume several: `convoy_engine_list`, "unfinished".)
 *
 * `out` receives the run. Waits for git and the disk.
 *
 * Ownership: `out` is yours: free it with `convoy_run_free`. Nothing that goes in is kept.
 * Threads: any, at once. Waits for git and the disk.
 * Errors: CONVOY_NOTHING_TO_RESUME, CONVOY_NOT_FOUND, CONVOY_BUSY (a live engine runs it), CONVOY_AGENT (an adapter
 * that a task needs is not there; nothing is changed then), CONVOY_STORE, CONVOY_CLOSED and the mistakes in the call.
 *
 * # Safety
 * `convoy` must be NULL or point to `len` readable bytes that do not change during the call. `out` must be NULL or
 * writable, and `err` too.
 */
convoy_status convoy_engine_resume(const struct convoy_engine *engine,
                                   const char *convoy,
                                   size_t len,
                                   struct convoy_run **out,
                                   struct convoy_error **err);

/**
 * Takes tasks of a convoy that has ended up again. `tasks` is a JSON list of their ids (also of done ones, which are
 * done once more on top), or NULL with a length of 0 for all that are not done; those that were skipped because of
 * them come along. Their dead letters are closed by it.
 *
 * `out` receives the run. Waits for git and the disk.
 *
 * Ownership: `out` is yours: free it with `convoy_run_free`. Nothing that goes in is kept.
 * Threads: any, at once. Waits for git and the disk.
 * Errors: CONVOY_STATE (the convoy has not ended), CONVOY_NOT_FOUND, CONVOY_BUSY, CONVOY_STORE, CONVOY_CLOSED,
 * CONVOY_BAD_JSON and the mistakes in the call.
 *
 * # Safety
 * `convoy` and `tasks` must be NULL or point to so many readable bytes that do not change during the call. `out` must
 * be NULL or writable, and `err` too.
 */
convoy_status convoy_engine_retry(const struct convoy_engine *engine,
                                  const char *convoy,
                                  size_t convoy_len,
                                  const char *tasks,
                                  size_t tasks_len,
                                  struct convoy_run **out,
                                  struct convoy_error **err);

/**
 * Tries again to publish what a convoy that has ended landed. The run ends when the branch has moved, or is blocked as
 * before. `out` receives the run.
 *
 * Ownership: `out` is yours: free it with `convoy_run_free`. Nothing that goes in is kept.
 * Threads: any, at once. Waits for git and the disk.
 * Errors: those of `convoy_engine_retry`.
 *
 * # Safety
 * `convoy` must be NULL or point to `len` readable bytes that do not change during the call. `out` must be NULL or
 * writable, and `err` too.
 */
convoy_status convoy_engine_publish(const struct convoy_engine *engine,
                                    const char *convoy,
                                    size_t len,
                                    struct convoy_run **out,
                                    struct convoy_error **err);

/**
 * All convoys of the store, the newest first. `out` receives a JSON list, to be freed with `convoy_string_free`; each
 * has "id", "name", "status", "branch", "branch_ref", "published", "unfinished" (it can be resumed), "created_at",
 * "finished_at" and "totals". The "status" is "running" until the convoy has ended, also after a crash: whether somebody
 * runs it says `convoy_engine_is_running`.
 *
 * Ownership: `out` is yours: free it with `convoy_string_free`. Nothing that goes in is kept.
 * Threads: any, at once. Waits for the disk.
 * Errors: CONVOY_STORE, CONVOY_CLOSED and the mistakes in the call.
 *
 * # Safety
 * `out` must be NULL or writable, and `err` too.
 */
convoy_status convoy_engine_list(const struct convoy_engine *engine,
                                 struct convoy_string *out,
                                 struct convoy_error **err);

/**
 * A convoy as it is now. `out` receives a JSON object, to be freed with `convoy_string_free`: "convoy_id", "name", "status"
 * ("pending", "running", "paused", "done", "failed", "gate-failed", "hook-failed" or "cancelled"), "branch", "branch_ref",
 * "integration_ref" (where everything that landed is in any case), "published" (boolean: the branch has all of that),
 * "created_at", "totals" (how many tasks have which fate), "agent_calls" and "tasks" (list of objects, in the order of the
 * file), and where there is one "finished_at", "stage" (what the convoy itself does at its end), "publish_blocked" (why the
 * branch is not moved), "tokens", "cost_usd", "budget" and others.
 * Each of the tasks has "id", "status" ("pending", "assigned", "running", "checking", "queued", "awaiting-approval", "done",
 * "failed", "timed-out", "gate-failed", "wait-for-input", "parked", "hook-failed", "review-blocked", "disputed", "skipped" or
 * "cancelled"), "attempts" (a number), "phase" and "agent_calls", and where there is one "commit" (that landed), "failure",
 * "waiting_for", "tree" (that waits for approval), "dead_letter" and "dispute" (ids), "artifacts", "tokens", "cost_usd" and
 * others.
 *
 * Ownership: `out` is yours: free it with `convoy_string_free`. Nothing that goes in is kept.
 * Threads: any, at once. Waits for the disk.
 * Errors: CONVOY_NOT_FOUND, CONVOY_STORE, CONVOY_CLOSED and the mistakes in the call.
 *
 * # Safety
 * `convoy` must be NULL or point to `len` readable bytes that do not change during the call. `out` must be NULL or
 * writable, and `err` too.
 */
convoy_status convoy_engine_status(const struct convoy_engine *engine,
                                   const char *convoy,
                                   size_t len,
                                   struct convoy_string *out,
                                   struct convoy_error **err);

/**
 * Whether a live engine, of this process or another, runs a convoy: `out` receives 1 or 0.
 *
 * Ownership: nothing changes hands. Nothing that goes in is kept.
 * Threads: any, at once. Waits for the disk.
 * Errors: CONVOY_NOT_FOUND, CONVOY_STORE, CONVOY_CLOSED and the mistakes in the call.
 *
 * # Safety
 * `convoy` must be NULL or point to `len` readable bytes that do not change during the call. `out` must be NULL or
 * writable, and `err` too.
 */
convoy_status convoy_engine_is_running(const struct convoy_engine *engine,
                                       const char *convoy,
                                       size_t len,
                                       int32_t *out,
                                       struct convoy_error **err);

/**
 * Up to `max` stored events of a convoy with a number ("_event_id") above `after`; 0 begins at its start. `out`
 * receives a JSON list; an empty one where there are no more, or `max` is 0. The events look as those of `convoy_run_next_event`.
 *
 * Ownership: `out` is yours: free it with `convoy_string_free`. Nothing that goes in is kept.
 * Threads: any, at once. Waits for the disk.
 * Errors: CONVOY_STORE, CONVOY_CLOSED and the mistakes in the call. Of a convoy that is not there, there are no
 * events.
 *
 * # Safety
 * `convoy` must be NULL or point to `len` readable bytes that do not change during the call. `out` must be NULL or
 * writable, and `err` too.
 */
convoy_status convoy_engine_events(const struct convoy_engine *engine,
                                   const char *convoy,
                                   size_t len,
                                   uint64_t after,
                                   size_t max,
                                   struct convoy_string *out,
                                   struct convoy_error **err);

/**
 * Writes every event of a convoy that is recorded now to the new file `path` (mode 0600): one JSON object a line, in
 * order, each as `convoy_engine_events` gives it. `out`, unless it is NULL, receives their number. A file that could not
 * be written whole is removed. This, or `convoy_engine_events`, is how to get at the record: the database is no file to
 * open.
 *
 * Ownership: the file is yours. Nothing that goes in is kept.
 * Threads: any, at once. Waits for the disk.
 * Errors: CONVOY_NOT_FOUND, CONVOY_INVALID_ARGUMENT (the file is there already, or cannot be made), CONVOY_STORE (also
 * when it cannot be written), CONVOY_CLOSED and the mistakes in the call.
 *
 * # Safety
 * `convoy` and `path` must be NULL or point to so many readable bytes that do not change during the call. `out` and
 * `err` must be NULL or writable.
 */
convoy_status convoy_engine_export(const struct convoy_engine *engine,
                                   const char *convoy,
                                   size_t convoy_len,
                                   const char *path,
                                   size_t path_len,
                                   uint64_t *out,
                                   struct convoy_error **err);

/**
 * The dead letters of a convoy: tasks that were given up, in the order in which that was. `out` receives a JSON list,
 * to be freed with `convoy_string_free`; each has "dlq_id", "task", "agent", "failure_type", "attempts", "error",
 * "open" and, once closed, "resolution". To try such tasks again: `convoy_engine_retry`. Fails as
 * `convoy_engine_status`.
 *
 * Ownership: `out` is yours: free it with `convoy_string_free`. Nothing that goes in is kept.
 * Threads: any, at once. Waits for the disk.
 * Errors: CONVOY_NOT_FOUND, CONVOY_STORE, CONVOY_CLOSED and the mistakes in the call.
 *
 * # Safety
 * `convoy` must be NULL or point to `len` readable bytes that do not change during the call. `out` must be NULL or
 * writable, and `err` too.
 */
convoy_status convoy_engine_dead_letters(const struct convoy_engine *engine,
                                         const char *convoy,
                                         size_t len,
                                         struct convoy_string *out,
                                         struct convoy_error **err);

/**
 * The disputes of a convoy, about work that reviewers block again and again, in the order in which they were opened.
 * `out` receives a JSON list; each has "dispute_id", "task", "agent", "panel_attempts" (panels that blocked the work),
 * "reasons" (why the last one did), "opened_at", "open" (boolean) and, once closed, "resolved_by" and "resolution".
 *
 * Ownership: `out` is yours: free it with `convoy_string_free`. Nothing that goes in is kept.
 * Threads: any, at once. Waits for the disk.
 * Errors: CONVOY_NOT_FOUND, CONVOY_STORE, CONVOY_CLOSED and the mistakes in the call.
 *
 * # Safety
 * `convoy` must be NULL or point to `len` readable bytes that do not change during the call. `out` must be NULL or
 * writable, and `err` too.
 */
convoy_status convoy_engine_disputes(const struct convoy_engine *engine,
                                     const char *convoy,
                                     size_t len,
                                     struct convoy_string *out,
                                     struct convoy_error **err);

/**
 * One attempt at a task with everything that is known of it: its prompt as it was sent, the end of its log, what its
 * work changed and how that was judged, and how to check the work out. `attempt` counts from 1; 0 is the newest. `out`
 * receives a JSON object: "convoy_id", "task", "attempt" (its number), "attempts" (how many there are), "worker_id", "outcome"
 * ("open", "done", "failed", "interrupted", "parked", "conflict", "skipped" or "cancelled"; with "failed" come "status" and
 * "retried", with "parked" "until", with "skipped" "reason"), "task_status" (of the task now), "began_at", "events" (list: all
 * that is recorded of it, verdicts among it), and where there is one "ended_at", "failure", "usage", "work" (its commit),
 * "files_changed", "landed_as", "checkout" (list: the command that checks the work out), "prompt" and "log" (objects with
 * "path", "text" and "omitted", the bytes that are left out), "logs_removed" (why there are none any more), "other_logs" (list of
 * paths: what setup, gates and reviewers printed), "diff" (object: "text", "truncated") and "diff_missing" (why there is none).
 *
 * Ownership: `out` is yours: free it with `convoy_string_free`. Nothing that goes in is kept.
 * Threads: any, at once. Waits for git and the disk.
 * Errors: CONVOY_NOT_FOUND, CONVOY_UNSUPPORTED (as `convoy_engine_log_path`), CONVOY_STORE, CONVOY_CLOSED and the mistakes in
 * the call.
 *
 * # Safety
 * `convoy` and `task` must be NULL or point to so many readable bytes that do not change during the call. `out` must
 * be NULL or writable, and `err` too.
 */
convoy_status convoy_engine_attempt(const struct convoy_engine *engine,
                                    const char *convoy,
                                    size_t convoy_len,
                                    const char *task,
                                    size_t task_len,
                                    uint32_t attempt,
                                    struct convoy_string *out,
                                    struct convoy_error **err);

/**
 * The path of the log file of an attempt (0: the newest). What setup and gates printed stands beside it. `out`
 * receives the path.
 *
 * Ownership: `out` is yours: free it with `convoy_string_free`. Nothing that goes in is kept.
 * Threads: any, at once. Waits for the disk.
 * Errors: CONVOY_NOT_FOUND, CONVOY_UNSUPPORTED (the path is no UTF-8, so that it is no text), CONVOY_STORE, CONVOY_CLOSED and
 * the mistakes in the call.
 *
 * # Safety
 * `convoy` and `task` must be NULL or point to so many readable bytes that do not change during the call. `out` must
 * be NULL or writable, and `err` too.
 */
convoy_status convoy_engine_log_path(const struct convoy_engine *engine,
                                     const char *convoy,
                                     size_t convoy_len,
                                     const char *task,
                                     size_t task_len,
                                     uint32_t attempt,
                                     struct convoy_string *out,
                                     struct convoy_error **err);

/**
 * What an artifact of a task holds, as other tasks get it, free of secrets. Unlike other texts it may be any bytes:
 * `out` receives them with their number (and a NUL after them).
 *
 * Ownership: `out` is yours: free it with `convoy_string_free`. Nothing that goes in is kept.
 * Threads: any, at once. Waits for git and the disk.
 * Errors: CONVOY_REPOSITORY (the repository no longer has it), CONVOY_NOT_FOUND, CONVOY_STORE, CONVOY_CLOSED and the
 * mistakes in the call.
 *
 * # Safety
 * `convoy`, `task` and `name` must be NULL or point to so many readable bytes that do not change during the call.
 * `out` must be NULL or writable, and `err` too.
 */
convoy_status convoy_engine_artifact(const struct convoy_engine *engine,
                                     const char *convoy,
                                     size_t convoy_len,
                                     const char *task,
                                     size_t task_len,
                                     const char *name,
                                     size_t name_len,
                                     struct convoy_string *out,
                                     struct convoy_error **err);

/**
 * Asks whoever runs a convoy, in this process or another, to pause it: agents that run finish, and nothing starts.
 * (`convoy_run_pause` does the same for a run of this process, and never blocks.)
 *
 * Sends the request, and waits for its answer for up to `timeout_ms` milliseconds (0: only looks; negative: for as
 * long as it takes, usually less than a second). With CONVOY_TIMED_OUT the request was sent, and is decided later.
 * A refusal is CONVOY_STATE: the message says why and what can be done. An event "request_refused" tells of it as well,
 * and of what was granted the event that follows from it.
 *
 * `out` may be NULL. Otherwise it receives JSON: {"answer": "granted"} (it happened, or was so already) or {"answer":
 * "waits"} (nobody runs the convoy: the next engine that takes it up decides, and by what is stored now it will grant
 * it).
 *
 * Waits for the disk, too.
 *
 * Ownership: `out` is yours: free it with `convoy_string_free`. Nothing that goes in is kept.
 * Threads: any, at once; from a callback only with a `timeout_ms` of 0. Waits for the disk, and for the answer as
 * `timeout_ms` says.
 * Errors: CONVOY_STATE (it was refused, the convoy is over, or nobody runs it), CONVOY_NOT_FOUND, CONVOY_STORE,
 * CONVOY_CLOSED and the mistakes in the call.
 *
 * # Safety
 * `convoy` must be NULL or point to `len` readable bytes that do not change during the call. `out` and `err` must be
 * NULL or writable.
 */
convoy_status convoy_engine_pause(const struct convoy_engine *engine,
                                  const char *convoy,
                                  size_t len,
                                  int64_t timeout_ms,
                                  struct convoy_string *out,
                                  struct convoy_error **err);

/**
 * Ends a pause. Otherwise as `convoy_engine_pause`.
 *
 * Ownership: `out` is yours: free it with `convoy_string_free`. Nothing that goes in is kept.
 * Threads: any, at once; from a callback only with a `timeout_ms` of 0. Waits for the disk, and for the answer as
 * `timeout_ms` says.
 * Errors: those of `convoy_engine_pause`.
 *
 * # Safety
 * `convoy` must be NULL or point to `len` readable bytes that do not change during the call. `out` and `err` must be
 * NULL or writable.
 */
convoy_status convoy_engine_unpause(const struct convoy_engine *engine,
                                    const char *convoy,
                                    size_t len,
                                    int64_t timeout_ms,
                                    struct convoy_string *out,
                                    struct convoy_error **err);

/**
 * Ends a convoy for good: nothing starts, agents that run are ended, their work is kept. One that nobody runs is
 * cancelled here, and that has happened when this returns. Otherwise as `convoy_engine_pause`.
 *
 * Ownership: `out` is yours: free it with `convoy_string_free`. Nothing that goes in is kept.
 * Threads: any, at once; from a callback only with a `timeout_ms` of 0. Waits for the disk, and for the answer as
 * `timeout_ms` says.
 * Errors: those of `convoy_engine_pause`.
 *
 * # Safety
 * `convoy` must be NULL or point to `len` readable bytes that do not change during the call. `out` and `err` must be
 * NULL or writable.
 */
convoy_status convoy_engine_cancel(const struct convoy_engine *engine,
                                   const char *convoy,
                                   size_t len,
                                   int64_t timeout_ms,
                                   struct convoy_string *out,
                                   struct convoy_error **err);

/**
 * Lets a task that waits for approval go on. `tree` is the tree that the person has seen, as the task has it in
 * `convoy_engine_status`: another one is not approved; NULL with a length of 0 = whichever waits. `reason` is for the
 * record; NULL with a length of 0 = none. Texts are UTF-8 and not kept.
 *
 * For a convoy that nobody runs it is stored, and done by the next engine that takes it up (the answer "waits").
 * `timeout_ms` and `out` are as with `convoy_engine_pause`.
 *
 * Ownership: `out` is yours: free it with `convoy_string_free`. Nothing that goes in is kept.
 * Threads: any, at once; from a callback only with a `timeout_ms` of 0. Waits for the disk, and for the answer as
 * `timeout_ms` says.
 * Errors: those of `convoy_engine_pause`, and CONVOY_INVALID_ARGUMENT.
 *
 * # Safety
 * The texts must be NULL or point to so many readable bytes that do not change during the call. `out` and `err` must
 * be NULL or writable.
 */
convoy_status convoy_engine_approve(const struct convoy_engine *engine,
                                    const char *convoy,
                                    size_t convoy_len,
                                    const char *task,
                                    size_t task_len,
                                    const char *tree,
                                    size_t tree_len,
                                    const char *reason,
                                    size_t reason_len,
                                    int64_t timeout_ms,
                                    struct convoy_string *out,
                                    struct convoy_error **err);

/**
 * Refuses a task that waits for approval: it fails. Otherwise as `convoy_engine_approve`.
 *
 * Ownership: `out` is yours: free it with `convoy_string_free`. Nothing that goes in is kept.
 * Threads: any, at once; from a callback only with a `timeout_ms` of 0. Waits for the disk, and for the answer as
 * `timeout_ms` says.
 * Errors: those of `convoy_engine_approve`.
 *
 * # Safety
 * The texts must be NULL or point to so many readable bytes that do not change during the call. `out` and `err` must
 * be NULL or writable.
 */
convoy_status convoy_engine_reject(const struct convoy_engine *engine,
                                   const char *convoy,
                                   size_t convoy_len,
                                   const char *task,
                                   size_t task_len,
                                   const char *reason,
                                   size_t reason_len,
                                   int64_t timeout_ms,
                                   struct convoy_string *out,
                                   struct convoy_error **err);

/**
 * Skips a task that is not finished, and what depends on it. What works on it is ended; its work is kept. Otherwise
 * as `convoy_engine_approve`.
 *
 * Ownership: `out` is yours: free it with `convoy_string_free`. Nothing that goes in is kept.
 * Threads: any, at once; from a callback only with a `timeout_ms` of 0. Waits for the disk, and for the answer as
 * `timeout_ms` says.
 * Errors: those of `convoy_engine_approve`.
 *
 * # Safety
 * The texts must be NULL or point to so many readable bytes that do not change during the call. `out` and `err` must
 * be NULL or writable.
 */
convoy_status convoy_engine_skip(const struct convoy_engine *engine,
                                 const char *convoy,
                                 size_t convoy_len,
                                 const char *task,
                                 size_t task_len,
                                 const char *reason,
                                 size_t reason_len,
                                 int64_t timeout_ms,
                                 struct convoy_string *out,
                                 struct convoy_error **err);

/**
 * Takes a person's commit as the work of a task: it is checked and landed like an agent's. `revision` is whatever git
 * takes for a commit.
 *
 * Possible while the task waits and what it depends on is done: for its turn or a retry, for an approval, or for the
 * resolution of its conflict. It is refused while the task is worked on, checked or landed, and once it has ended, a
 * failed one, too: when the convoy is over, `convoy_engine_retry` takes such a task up again.
 *
 * Otherwise as `convoy_engine_approve`.
 *
 * Ownership: `out` is yours: free it with `convoy_string_free`. Nothing that goes in is kept.
 * Threads: any, at once; from a callback only with a `timeout_ms` of 0. Waits for the disk, and for the answer as
 * `timeout_ms` says.
 * Errors: those of `convoy_engine_approve`, and CONVOY_REPOSITORY (the commit has no history in common with the
 * convoy's work).
 *
 * # Safety
 * The texts must be NULL or point to so many readable bytes that do not change during the call. `out` and `err` must
 * be NULL or writable.
 */
convoy_status convoy_engine_accept(const struct convoy_engine *engine,
                                   const char *convoy,
                                   size_t convoy_len,
                                   const char *task,
                                   size_t task_len,
                                   const char *revision,
                                   size_t revision_len,
                                   const char *reason,
                                   size_t reason_len,
                                   int64_t timeout_ms,
                                   struct convoy_string *out,
                                   struct convoy_error **err);

/**
 * Asks whoever runs a convoy to add tasks. `tasks` is the text of an `inject.yml`, `source` says where it comes from,
 * for the record. `key` names the request: what is asked for twice under one key is added once; with NULL and a length
 * of 0 it gets a new one. `out`, unless it is NULL, receives the key; the event "tasks_added" or "injection_refused"
 * that tells what became of it has the same.
 *
 * Ownership: `out` is yours: free it with `convoy_string_free`. Nothing that goes in is kept.
 * Threads: any, at once. Waits for the disk, not for whoever runs the convoy.
 * Errors: CONVOY_INVALID_SPEC (the problems are in the details of the error), CONVOY_STATE (the convoy is over),
 * CONVOY_NOT_FOUND, CONVOY_INVALID_ARGUMENT, CONVOY_STORE, CONVOY_CLOSED and the mistakes in the call.
 *
 * # Safety
 * The texts must be NULL or point to so many readable bytes that do not change during the call. `out` must be NULL or
 * writable, and `err` too.
 */
convoy_status convoy_engine_inject(const struct convoy_engine *engine,
                                   const char *convoy,
                                   size_t convoy_len,
                                   const char *tasks,
                                   size_t tasks_len,
                                   const char *source,
                                   size_t source_len,
                                   const char *key,
                                   size_t key_len,
                                   struct convoy_string *out,
                                   struct convoy_error **err);

/**
 * Closes a dead letter without trying its task again; `resolution` says why or how, for the record. Where an engine runs
 * the convoy it is asked to, and has not done it yet when this returns; where the convoy has ended it is done here.
 *
 * Waits for the disk.
 *
 * Ownership: nothing changes hands. Nothing that goes in is kept.
 * Threads: any, at once. Waits for the disk.
 * Errors: CONVOY_NOT_FOUND, CONVOY_STATE (it is closed already, or the convoy has neither ended nor an engine),
 * CONVOY_STORE, CONVOY_CLOSED and the mistakes in the call.
 *
 * # Safety
 * The texts must be NULL or point to so many readable bytes that do not change during the call. `err` must be NULL or
 * writable.
 */
convoy_status convoy_engine_resolve_dead_letter(const struct convoy_engine *engine,
                                                const char *convoy,
                                                size_t convoy_len,
                                                const char *dlq_id,
                                                size_t dlq_id_len,
                                                const char *resolution,
                                                size_t resolution_len,
                                                struct convoy_error **err);

/**
 * Closes a dispute. The task stays disputed until it is retried. Otherwise as `convoy_engine_resolve_dead_letter`.
 *
 * Ownership: nothing changes hands. Nothing that goes in is kept.
 * Threads: any, at once. Waits for the disk.
 * Errors: those of `convoy_engine_resolve_dead_letter`.
 *
 * # Safety
 * The texts must be NULL or point to so many readable bytes that do not change during the call. `err` must be NULL or
 * writable.
 */
convoy_status convoy_engine_resolve_dispute(const struct convoy_engine *engine,
                                            const char *convoy,
                                            size_t convoy_len,
                                            const char *dispute_id,
                                            size_t dispute_id_len,
                                            const char *resolution,
                                            size_t resolution_len,
                                            struct convoy_error **err);

/**
 * Deletes convoys that have ended: their refs under `refs/convoy/` (with them the work of attempts that landed nowhere),
 * logs, events and everything else that is stored of them. What landed on a branch is not touched. `options` is a JSON
 * object (`options_len` bytes of UTF-8). Its members, of which one of the first three must be there; where more are, a
 * convoy must fulfil all of them:
 * "convoys" (list of ids): these, none of them where it is empty; not together with "all".
 * "older_than_ms" (number): those that ended at least so long ago.
 * "all" (boolean): every one that has ended. As with those that are named, open dead letters and disputes hold none back;
 * files of an attempt that are in no commit hold back all but those that are named.
 * "unpublished" (boolean): also those whose landed work is on no branch; nothing leads to it any more then.
 * "dry_run" (boolean): only tell what would be done.
 *
 * `out` receives a JSON object:
 * "dry_run" (boolean): nothing was done, the rest says what would be.
 * "pruned" (list of objects): the convoys that are gone, the oldest first. Each has "convoy_id", "continued" (boolean: an
 * earlier call had begun it), "refs" and "files" (how many there were), "bytes" (what the files held) and "events" (how many);
 * where they are known "name", "status" and "finished_at"; and where it is so "unpublished" (the newest commit of its
 * landed work, which nothing but this id leads to) and "left" (paths that were left because they are not the engine's).
 * "kept" (list of objects): those that were asked for and are kept, the oldest first. Each has "convoy_id", "name" where it is
 * known, "reason" ("running", "unfinished", "unpublished", "open_for_people", "unreadable" or "failed"; later versions may
 * add others) and "detail" (the same for people, and what they can do).
 * "logs_removed" (list of objects; missing where it is empty): ended convoys whose logs were removed, while they are kept, each
 * with "convoy_id" and "bytes". That is done for "logs_quota_bytes" of the builder's options, so this function has none:
 * see `convoy_engine_last_retention`.
 * "database_bytes" (number): by how much the database is shorter.
 * What was cut off by a crash, or has "failed", cannot be used any more; the next call finishes it, whatever that asks for.
 *
 * Ownership: `out` is yours: free it with `convoy_string_free`. Nothing that goes in is kept.
 * Threads: any, at once. Waits for git and the disk.
 * Errors: CONVOY_BAD_JSON, CONVOY_INVALID_ARGUMENT (nothing says which convoys), CONVOY_NOT_FOUND (a named one is not there:
 * nothing is done then), CONVOY_STORE, CONVOY_CLOSED and the mistakes in the call. A single convoy that cannot be pruned is
 * no error, but "kept".
 *
 * # Safety
 * `options` must be NULL or point to so many readable bytes that do not change during the call. `out` must be NULL or
 * writable, and `err` too.
 */
convoy_status convoy_engine_prune(const struct convoy_engine *engine,
                                  const char *options,
                                  size_t options_len,
                                  struct convoy_string *out,
                                  struct convoy_error **err);

/**
 * What the engine did last to keep to "keep_for_ms", "keep_convoys" and "logs_quota_bytes" of its builder's options, which is
 * done when it is built and whenever one of its convoys has ended. `out` receives a JSON object with the members of the answer
 * of `convoy_engine_prune`, or `null`: there are no such options, or nothing was done yet (with "create": false it is not when it is
 * built), or it could not be done the last time, which the log says.
 *
 * Ownership: `out` is yours: free it with `convoy_string_free`. Nothing that goes in is kept.
 * Threads: any, at once. Does not wait.
 * Errors: the mistakes in the call.
 *
 * # Safety
 * `out` must be NULL or writable, and `err` too.
 */
convoy_status convoy_engine_last_retention(const struct convoy_engine *engine,
                                           struct convoy_string *out,
                                           struct convoy_error **err);

/**
 * Frees a run. One that has not ended is interrupted, which can be resumed later; this does not wait for it. Whoever
 * waits for its events on another thread is answered CONVOY_END. It can be resumed once `convoy_engine_is_running`
 * says 0; to wait for that, interrupt it, `convoy_run_wait`, and free it then. Where the process ends before, programs of its
 * agents go on working, as `convoy_engine_free` says. NULL is fine, as is a run that was
 * freed already, and a call from any callback.
 *
 * Ownership: the run is gone.
 * Threads: any, also a callback. Does not wait.
 * Errors: none.
 */
void convoy_run_free(struct convoy_run *run);

/**
 * The id of the convoy: `out` receives it.
 *
 * Ownership: `out` is yours: free it with `convoy_string_free`. Nothing that goes in is kept.
 * Threads: any, at once. Does not wait.
 * Errors: the mistakes in the call.
 *
 * # Safety
 * `out` must be NULL or writable, and `err` too.
 */
convoy_status convoy_run_id(const struct convoy_run *run,
                            struct convoy_string *out,
                            struct convoy_error **err);

/**
 * The number ("_event_id") of the event with which this run began: `out` receives it. Events of the convoy from
 * earlier runs are those of `convoy_engine_events` with a lower number.
 *
 * Ownership: the number is a copy.
 * Threads: any, at once. Does not wait.
 * Errors: the mistakes in the call.
 *
 * # Safety
 * `out` must be NULL or writable, and `err` too.
 */
convoy_status convoy_run_first_event_id(const struct convoy_run *run,
                                        uint64_t *out,
                                        struct convoy_error **err);

/**
 * Waits for the end of the run for up to `timeout_ms` milliseconds (0: only looks; negative: for as long as it takes),
 * and answers CONVOY_TIMED_OUT when that is not long enough. Events are read independently of it. May be called
 * more than once, and gives the same each time. Not from a callback, except with 0.
 *
 * `out` may be NULL. Otherwise it receives JSON, to be freed with `convoy_string_free`: "ended" ("finished", or
 * "interrupted": it can be resumed), "view" (the convoy, as `convoy_engine_status` gives it) and "warnings" (a list of
 * texts: what is odd about the convoy file, such as a key that is ignored, and what went wrong beside the convoy, such as
 * a branch that could not be moved to what landed).
 *
 * Ownership: `out` is yours: free it with `convoy_string_free`. Nothing that goes in is kept.
 * Threads: any, at once; from a callback only with 0. Waits as `timeout_ms` says.
 * Errors: CONVOY_TIMED_OUT (without an error object); where the engine had to stop without an end CONVOY_STORE,
 * CONVOY_REPOSITORY (git failed, or work could not land), CONVOY_BUSY (another engine has taken the convoy over),
 * CONVOY_CLOSED or CONVOY_INTERNAL, and the convoy can be resumed; the mistakes in the call.
 *
 * # Safety
 * `out` must be NULL or writable, and `err` too.
 */
convoy_status convoy_run_wait(const struct convoy_run *run,
                              int64_t timeout_ms,
                              struct convoy_string *out,
                              struct convoy_error **err);

/**
 * Asks the run to pause: agents that run finish, and nothing starts. It follows soon, and events tell of it; asking a
 * run that has ended does nothing. Never blocks.
 *
 * Ownership: nothing changes hands. Nothing that goes in is kept.
 * Threads: any, at once. Does not wait.
 * Errors: the mistakes in the call.
 *
 * # Safety
 * `err` must be NULL or writable.
 */
convoy_status convoy_run_pause(const struct convoy_run *run,
                               struct convoy_error **err);

/**
 * Ends a pause. Otherwise as `convoy_run_pause`.
 *
 * Ownership: nothing changes hands. Nothing that goes in is kept.
 * Threads: any, at once. Does not wait.
 * Errors: the mistakes in the call.
 *
 * # Safety
 * `err` must be NULL or writable.
 */
convoy_status convoy_run_unpause(const struct convoy_run *run, struct convoy_error **err);

/**
 * Asks the run to end for good: nothing starts, agents that run are ended, their work is kept. It cannot be resumed
 * (though `convoy_engine_retry` takes its tasks up again). Otherwise as `convoy_run_pause`.
 *
 * Ownership: nothing changes hands. Nothing that goes in is kept.
 * Threads: any, at once. Does not wait.
 * Errors: the mistakes in the call.
 *
 * # Safety
 * `err` must be NULL or writable.
 */
convoy_status convoy_run_cancel(const struct convoy_run *run,
                                struct convoy_error **err);

/**
 * Asks the run to stop so that it can be resumed. `reason` is for the record: `len` bytes of UTF-8, not kept; NULL
 * with a length of 0 stands for none. Otherwise as `convoy_run_pause`.
 *
 * Ownership: nothing changes hands. Nothing that goes in is kept.
 * Threads: any, at once. Does not wait.
 * Errors: the mistakes in the call.
 *
 * # Safety
 * `reason` must be NULL or point to `len` readable bytes that do not change during the call. `err` must be NULL or
 * writable.
 */
convoy_status convoy_run_interrupt(const struct convoy_run *run,
                                   const char *reason,
                                   size_t len,
                                   struct convoy_error **err);

/**
 * Has `wake` called with `user_data` when there are events to read: once, and then again only after a call that reads
 * events has answered CONVOY_EMPTY (or CONVOY_TIMED_OUT). So, when woken: read until CONVOY_EMPTY or CONVOY_END. When
 * there are events already, it is called at once. It comes on a thread of the library, never twice at the same
 * time, with no lock held; it may call any function of the library, and should return soon: until then no further
 * events of this run are fetched. It must not throw or longjmp.
 *
 * It takes the place of an earlier one; NULL for `wake` takes that away only. An earlier one that runs at this moment runs to
 * its end, and this does not wait for that: the new one is called after it. So a wake may replace itself, clear itself, and
 * free the run. `destroy`, unless it is NULL, is called exactly once with `user_data` when `wake` does not run and will not be
 * called any more: after it was replaced, after the run was freed, or when this call fails; on whichever thread lets go
 * of it last, which may be the one that makes this call.
 *
 * Ownership: `user_data` belongs to the library from here on, also when this fails.
 * Threads: any, at once. Does not wait.
 * Errors: the mistakes in the call.
 *
 * # Safety
 * `wake` and `destroy` must be NULL or functions that may be called with `user_data` on any thread. `err` must be
 * NULL or writable.
 */
convoy_status convoy_run_set_wake(const struct convoy_run *run,
                                  void (*wake)(void *user_data),
                                  void *user_data,
                                  void (*destroy)(void *user_data),
                                  struct convoy_error **err);

/**
 * Has the events of the run begin with the first stored one whose number ("_event_id") is above `event_id`, in the
 * place of the first event of this run: 0 gives all of the convoy, from its very start. To be called before any other
 * function about events.
 *
 * Ownership: nothing changes hands. Nothing that goes in is kept.
 * Threads: any, at once. Does not wait.
 * Errors: CONVOY_STATE when events are read already, and the mistakes in the call.
 *
 * # Safety
 * `err` must be NULL or writable.
 */
convoy_status convoy_run_events_after(const struct convoy_run *run,
                                      uint64_t event_id,
                                      struct convoy_error **err);

/**
 * The next event of the run, if there is one now. Never blocks. `out` receives a JSON object on one line. The first
 * call begins to fetch: from the first event of this run (start, resume, retry) on, so that nothing is missed by
 * reading late; for those of the convoy before it, `convoy_run_events_after`. So it mostly answers CONVOY_EMPTY, also
 * after the end of the run: until CONVOY_END there is more to come.
 *
 * A stored event has "_event_id" (its number, rising), "timestamp", "type", "convoy_id", "task_id" and "worker_id" (null where it
 * concerns none), and members of its type: all types, when they come and what
 * they hold, stand in EVENTS.md (see the top of this header). Not stored, and without a number: "task_output" (a piece of what an agent
 * prints, free of secrets, with "task_id", "attempt_no" and "text"), "lagged" ("lost" pieces of such output of this
 * run went by because nobody read them, also before the first read; the log file has them, and stored events are never
 * lost), and last of all "run_ended": "ended" is "finished"
 * or "interrupted" (with the "status" of the convoy and "warnings", as those of `convoy_run_wait`) or "failed" (with "error": "status", "kind",
 * "message"; the convoy can be resumed). "unread", if it is there, says why events before it could not be read.
 *
 * CONVOY_EMPTY: none now. CONVOY_END: none any more, "run_ended" was read. Both make no error object.
 *
 * Ownership: `out` is yours: free it with `convoy_string_free`. Nothing that goes in is kept.
 * Threads: any, at once; each gets other events. Does not wait.
 * Errors: CONVOY_EMPTY and CONVOY_END (without an error object), and the mistakes in the call.
 *
 * # Safety
 * `out` must be NULL or writable, and `err` too.
 */
convoy_status convoy_run_next_event(const struct convoy_run *run,
                                    struct convoy_string *out,
                                    struct convoy_error **err);

/**
 * As `convoy_run_next_event`, but waits for an event for up to `timeout_ms` milliseconds (for as long as it takes, if
 * that is negative), and answers CONVOY_TIMED_OUT when none came. Not from a callback.
 *
 * Ownership: `out` is yours: free it with `convoy_string_free`. Nothing that goes in is kept.
 * Threads: any, at once, but no callback; each gets other events. Waits as `timeout_ms` says.
 * Errors: CONVOY_TIMED_OUT and CONVOY_END (without an error object), and the mistakes in the call.
 *
 * # Safety
 * `out` must be NULL or writable, and `err` too.
 */
convoy_status convoy_run_wait_event(const struct convoy_run *run,
                                    int64_t timeout_ms,
                                    struct convoy_string *out,
                                    struct convoy_error **err);

/**
 * The next events of the run that are there now, at most `max`, as a JSON list with at least one: as
 * `convoy_run_next_event` otherwise, and with far fewer calls where there are many.
 *
 * Ownership: `out` is yours: free it with `convoy_string_free`. Nothing that goes in is kept.
 * Threads: any, at once; each gets other events. Does not wait.
 * Errors: CONVOY_BAD_NUMBER (`max` is 0), and those of `convoy_run_next_event`.
 *
 * # Safety
 * `out` must be NULL or writable, and `err` too.
 */
convoy_status convoy_run_next_events(const struct convoy_run *run,
                                     size_t max,
                                     struct convoy_string *out,
                                     struct convoy_error **err);

/**
 * As `convoy_run_next_events`, but waits for the first event as `convoy_run_wait_event` does.
 *
 * Ownership: `out` is yours: free it with `convoy_string_free`. Nothing that goes in is kept.
 * Threads: any, at once, but no callback; each gets other events. Waits as `timeout_ms` says.
 * Errors: CONVOY_BAD_NUMBER (`max` is 0), and those of `convoy_run_wait_event`.
 *
 * # Safety
 * `out` must be NULL or writable, and `err` too.
 */
convoy_status convoy_run_wait_events(const struct convoy_run *run,
                                     size_t max,
                                     int64_t timeout_ms,
                                     struct convoy_string *out,
                                     struct convoy_error **err);

/**
 * A file descriptor that can be read from (poll, select, epoll, kqueue) as long as there are events to read, and after
 * the end. It is for polling only: do not read from it, write to it or close it. It belongs to the run and is closed
 * when the run is freed. `out` receives it, the same at every call.
 *
 * Ownership: the descriptor belongs to the run.
 * Threads: any, at once. Does not wait.
 * Errors: CONVOY_INTERNAL when the system has no more descriptors, and the mistakes in the call.
 *
 * # Safety
 * `out` must be NULL or writable, and `err` too.
 */
convoy_status convoy_run_event_fd(const struct convoy_run *run,
                                  int32_t *out,
                                  struct convoy_error **err);

/**
 * Answers what the engine asked of the host's code under the number `completion_id`. `result` is the answer as JSON:
 * `len` bytes of UTF-8, not kept. Which members it has is said where the question is: `convoy_agent_adapter`,
 * `convoy_review_runner`, `convoy_merge_queue`, `convoy_host_code`.
 *
 * Never blocks. From any thread, also from within the callback that was asked. A number is answered once: after
 * CONVOY_OK it is used up. With CONVOY_BAD_JSON, CONVOY_BAD_UTF8 and the like the question is still open.
 * CONVOY_NO_COMPLETION: it was answered before, or the engine no longer waits (it was cancelled and the time for
 * that is over, or the engine is gone): nothing is wrong, forget the number.
 *
 * Ownership: nothing changes hands. Nothing that goes in is kept.
 * Threads: any, also the callback that was asked. Does not wait.
 * Errors: CONVOY_NO_COMPLETION (nobody waits for this number), CONVOY_BAD_JSON (no such answer) and the mistakes in
 * the call.
 *
 * # Safety
 * `result` must be NULL or point to `len` readable bytes that do not change during the call. `err` must be NULL or
 * writable.
 */
convoy_status convoy_completion_resolve(uint64_t completion_id,
                                        const char *result,
                                        size_t len,
                                        struct convoy_error **err);

/**
 * Answers that the host's code failed: `message` says what happened, for people (`len` bytes of UTF-8, not kept). An
 * agent has then failed with `failure_type` "error", and may be tried again; a reviewer came to no judgement; a
 * merge queue could not do the step; a gate or hook has failed, and a prompt source gave no text, for this reason. Otherwise as `convoy_completion_resolve`.
 *
 * Ownership: nothing changes hands. Nothing that goes in is kept.
 * Threads: any, also the callback that was asked. Does not wait.
 * Errors: those of `convoy_completion_resolve`, but for CONVOY_BAD_JSON.
 *
 * # Safety
 * `message` must be NULL or point to `len` readable bytes that do not change during the call. `err` must be NULL or
 * writable.
 */
convoy_status convoy_completion_reject(uint64_t completion_id,
                                       const char *message,
                                       size_t len,
                                       struct convoy_error **err);

/**
 * Hands over a piece of what the agent or reviewer prints. It goes, free of secrets, into a log of the attempt
 * (`convoy_engine_log_path`; each reviewer has one of its own beside it). That of an agent is also seen live, as an
 * event `task_output`; that of a reviewer is not. It also shows that the agent is alive, where the task has a limit on
 * silence. `stream` is 1 for standard output, 2 for standard error. `data` is any bytes, cut anywhere; not kept.
 *
 * Only before the completion is answered. Pieces of one completion stay in order if they are handed over one after the
 * other.
 *
 * Ownership: nothing changes hands. Nothing that goes in is kept.
 * Threads: any; one after the other for pieces whose order matters. Waits while more than 4 MiB of what it told wait to be
 * written to the log.
 * Errors: CONVOY_NO_COMPLETION as `convoy_completion_resolve`, CONVOY_BAD_NUMBER for another stream, and CONVOY_STATE
 * for a step of a merge queue, a gate, a prompt source or a hook, which print nothing.
 *
 * # Safety
 * `data` must be NULL or point to `len` readable bytes that do not change during the call. `err` must be NULL or
 * writable.
 */
convoy_status convoy_completion_output(uint64_t completion_id,
                                       int32_t stream,
                                       const uint8_t *data,
                                       size_t len,
                                       struct convoy_error **err);

/**
 * Says which session the agent works in (`len` bytes of UTF-8, 1 to 512, not kept), so that a later attempt can continue it
 * even when this one is cut off. Without the capability "resume" of the adapter nothing follows from it. Otherwise as
 * `convoy_completion_output`.
 *
 * Ownership: nothing changes hands. Nothing that goes in is kept.
 * Threads: any. Waits as `convoy_completion_output`.
 * Errors: CONVOY_INVALID_ARGUMENT (no possible session: it is empty, longer, begins with a dash or has control characters),
 * and those of `convoy_completion_output`.
 *
 * # Safety
 * `session` must be NULL or point to `len` readable bytes that do not change during the call. `err` must be NULL or
 * writable.
 */
convoy_status convoy_completion_session(uint64_t completion_id,
                                        const char *session,
                                        size_t len,
                                        struct convoy_error **err);

/**
 * Says that the agent runs as the process `pid`, for the record. Give every process that you start the variables of
 * the request's "env": what bears its CONVOY_ATTEMPT is found and ended even after a crash of this process. Otherwise
 * as `convoy_completion_output`.
 *
 * Ownership: nothing changes hands.
 * Threads: any. Waits as `convoy_completion_output`.
 * Errors: CONVOY_BAD_NUMBER (`pid` is 0), and those of `convoy_completion_output`.
 *
 * # Safety
 * `err` must be NULL or writable.
 */
convoy_status convoy_completion_started(uint64_t completion_id,
                                        uint32_t pid,
                                        struct convoy_error **err);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* CONVOY_H */
