/**
 * convoy.h - the C interface of Convoy, an engine that runs many coding agents on one git repository at once.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Link with -lconvoy. C99 or later, C++11 or later.
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
 * A host, without its error handling (whole ones: tests/c/run_convoy.c, and in C++ tests/c/host.cpp over convoy.hpp):
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
 * that is none, is CONVOY_BAD_HANDLE. Unless a function says otherwise it may be called from any threads at once, also
 * on one object. Functions of the program that the library calls come on threads of the library.
 *
 * An engine has threads, a database file and locks: it does not survive a fork (CONVOY_FORKED), and its database must
 * not be opened by another copy of SQLite in the same process: ask the engine instead.
 *
 * The library keeps no error per thread, writes no log (what happens is told by events) and prints nothing, with one
 * exception: where it has a fault and panics, Rust's default hook writes a line to standard error before the call
 * returns CONVOY_PANICKED.
 */

#ifndef CONVOY_H
#define CONVOY_H

/* Generated from convoy-ffi by `cargo run -p convoy-tests --bin gen-header`; do not edit. */

#include <stddef.h>
#include <stdint.h>

/**
 * The number of this interface. It changes when something other than an addition is made to it.
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
     * The process is a fork of the one that began to use the library. Nothing of the library works in a fork: use
     * it in the parent, or start a new program.
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
     * The convoy file or the builder asks for something that this version or this platform does not have.
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
 * else waits for it. They may call any function of the library. They must not throw or longjmp.
 *
 * The answer of an agent is JSON: `{"outcome": "succeeded" | "failed" | "cancelled"}` and, all optional: "failure"
 * (exactly where it failed: {"message": TEXT, "failure_type": "error" (the default) | "refused" | "turn-limit" |
 * "needs-input" | "auth" | "rate-limit" ..., "output_tail": TEXT, "retry_at": RFC 3339 time}), "exit_code", "session"
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
     * complete environment, an object), "worker_id" (marks what it starts), "timeout_ms" (the longest it may run),
     * "grace_ms" (the time to end it after that), "read_only" (boolean), and where there is one "model", "session"
     * (to be continued) and "idle_ms" (the longest it may be silent). Later versions may add members.
     */
    void (*execute)(void *user_data, const char *request, size_t len, uint64_t completion_id);
    /**
     * NULL, or asks to end the agent soon: it was cancelled, took too long, or the engine ends. Comes at most once
     * for a number, and after `execute` has returned for it. Answer still, with the outcome "cancelled"; after
     * "grace_ms" the engine waits no longer.
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
 * nobody sees yet; the engine records it; `advance` moves the ref; after a crash `settle` says whether that had
 * happened. A rejected completion means that the step could not be tried, or that nobody knows what became of
 * it: the engine then settles, or stops with an error rather than guess. There is no time limit: answer every call.
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
     * work, durably. Request: "integration_ref" (the full name of the ref), "tip" (the commit to land onto), "work"
     * (the commit that was checked), "message" (of the landing commit, whole). Answer: {"outcome": "prepared",
     * "commit": OID}, {"outcome": "nothing-to-land"} (the tip reaches the work), or {"outcome": "conflict", "tree": OID
     * (merged, with markers), "paths": [...]} (never empty). May be asked twice for the same.
     */
    void (*prepare)(void *user_data, const char *request, size_t len, uint64_t completion_id);
    /**
     * Moves the ref from "onto" to the landing commit by compare-and-swap, durably. Request: "integration_ref",
     * "commit", "onto", "fence" (the number of the engine's lease, which grows with every new holder: once a number
     * has been seen, a smaller one is refused). Answer: {"outcome": "advanced"} (also when the ref reaches the commit
     * already), {"outcome": "moved", "now": OID or null} (the ref is elsewhere, and was not moved), {"outcome":
     * "fenced", "newer": NUMBER} (nothing was moved; this engine stops).
     */
    void (*advance)(void *user_data, const char *request, size_t len, uint64_t completion_id);
    /**
     * Looks whether the ref reaches a prepared commit, which need not exist any more; changes nothing. Request:
     * "integration_ref", "commit", "onto". Answer: {"outcome": "landed"} or {"outcome": "not-landed"}.
     */
    void (*settle)(void *user_data, const char *request, size_t len, uint64_t completion_id);
    /**
     * NULL, or says that the answer is no longer needed, because the engine ends. Comes at most once for a number,
     * and after the function that began it has returned.
     */
    void (*cancel)(void *user_data, uint64_t completion_id);
} convoy_merge_queue;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The number of the interface that the loaded library has. A program compares it with `CONVOY_ABI_VERSION`, the
 * number it was compiled with, before it makes any other call; where they differ, it must not go on.
 *
 * Cannot fail. May be called from any thread at any time.
 */
uint32_t convoy_abi_version(void);

/**
 * The version of the loaded library, for people: "MAJOR.MINOR.PATCH", perhaps with a suffix as in "1.0.0-beta.2".
 *
 * The text is NUL-terminated, belongs to the library and stays valid as long as the library is loaded; it must not
 * be freed. Cannot fail. May be called from any thread at any time.
 */
const char *convoy_version(void);

/**
 * The name of a status, such as "CONVOY_BUSY"; "CONVOY_UNKNOWN" for a number that this library does not have.
 *
 * The text is NUL-terminated, belongs to the library and stays valid as long as the library is loaded; it must not
 * be freed. Cannot fail. May be called from any thread at any time.
 */
const char *convoy_status_name(int32_t status);

/**
 * The status of an error: the same as the call returned that made it. `CONVOY_OK` for NULL, which is no error.
 * May be called from any threads at once, also on one error.
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
 * May be called from any threads at once, also on one error.
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
 * # Safety
 * `error` must be NULL or an error that is not yet freed; `len` must be NULL or writable.
 */
const char *convoy_error_chain(const struct convoy_error *error, size_t *len);

/**
 * Details for programs, as JSON; empty where there are none. With CONVOY_INVALID_SPEC it is the list of problems,
 * as in the "problems" of `convoy_check_spec`. Otherwise as `convoy_error_message`.
 *
 * # Safety
 * `error` must be NULL or an error that is not yet freed; `len` must be NULL or writable.
 */
const char *convoy_error_details(const struct convoy_error *error,
                                 size_t *len);

/**
 * Frees an error. NULL is fine to free. The error must not be in use on any other thread.
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
 * Cannot fail. One text at a time from one thread; different texts from any threads at once.
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
 * May be called from any threads at once.
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
 * Begins to build an engine for the git repository that the path `repository` is in (`len` bytes of UTF-8, not kept).
 * Nothing is looked at yet.
 *
 * `out` receives the builder, to be freed with `convoy_engine_builder_free`. Fails with CONVOY_NULL_ARGUMENT,
 * CONVOY_BAD_UTF8, CONVOY_BAD_LENGTH, CONVOY_INVALID_ARGUMENT (an empty path), CONVOY_FORKED.
 * May be called from any threads at once.
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
 * Cannot fail.
 */
void convoy_engine_builder_free(struct convoy_engine_builder *builder);

/**
 * Sets the options of the engine, all of them at once: `options` is a JSON object (`len` bytes of UTF-8, not kept)
 * with these members, all optional:
 * "env" (object of texts): the whole environment of agents, gates and git. The library reads none of its own accord,
 * so without a "PATH" few programs are found.
 * "state_dir" (text): where database, logs and worktrees are kept; else `.convoy` beside the main worktree.
 * "secrets" (list of texts): values that must never be stored, logged or shown.
 * "actor" (text): who acts, for the record; else "host".
 * "grace_ms" (number): the time between asking a program to end and killing it; else 5000.
 * "git" (text): the git program; else "git", from the PATH of "env".
 * "store": "sqlite" (the default) or "memory" (nothing is kept when the engine is freed).
 * "create" (boolean): false = fail with CONVOY_NOT_FOUND when nothing is stored there yet; else true.
 *
 * Fails with CONVOY_BAD_JSON for anything else, CONVOY_USED_UP when the engine is built, and the mistakes in the
 * call. One call at a time on one builder.
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
 * Fails with CONVOY_BAD_STRUCT, CONVOY_BAD_JSON, CONVOY_INVALID_ARGUMENT (the name), CONVOY_USED_UP, and the
 * mistakes in the call. One call at a time on one builder.
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
 * # Safety
 * `queue` must be NULL or point to a structure of the size that it says, whose functions are as described there and
 * may be called on any thread. `err` must be NULL or writable.
 */
convoy_status convoy_engine_builder_set_merge_queue(const struct convoy_engine_builder *builder,
                                                    const struct convoy_merge_queue *queue,
                                                    struct convoy_error **err);

/**
 * Builds the engine: opens the repository and the store, and starts the engine's threads. The builder is used up by
 * this, also when it fails, and is still to be freed.
 *
 * `out` receives the engine, to be freed with `convoy_engine_free`. Waits for git and the disk. Fails with
 * CONVOY_UNSUPPORTED (the platform), CONVOY_REPOSITORY, CONVOY_STORE, CONVOY_NOT_FOUND (the option "create"),
 * CONVOY_USED_UP, CONVOY_INTERNAL (no more threads), and the mistakes in the call. One call at a time on one builder.
 *
 * # Safety
 * `out` must be NULL or writable, and `err` too.
 */
convoy_status convoy_engine_build(const struct convoy_engine_builder *builder,
                                  struct convoy_engine **out,
                                  struct convoy_error **err);

/**
 * Frees an engine. Its runs are interrupted, which can be resumed later, and end by themselves soon after; this does
 * not wait for it (`convoy_engine_shutdown` does). Handles of its runs stay usable, to wait for that end and to read
 * their events, and must be freed too. Questions to code of the program that are open then are cancelled.
 *
 * NULL is fine, as is an engine that was freed already, and a call from any callback. Cannot fail.
 */
void convoy_engine_free(struct convoy_engine *engine);

/**
 * Interrupts every run of the engine, waits until they have ended, and closes the store: other calls answer
 * CONVOY_CLOSED afterwards. What was interrupted can be resumed. The engine must still be freed.
 *
 * Waits for as long as agents take to be ended: not from a callback, and not from the only thread that could answer
 * an agent's cancellation.
 *
 * # Safety
 * `err` must be NULL or writable.
 */
convoy_status convoy_engine_shutdown(const struct convoy_engine *engine,
                                     struct convoy_error **err);

/**
 * The folder in which the engine keeps its database, logs and worktrees: `out` receives its path, to be freed with
 * `convoy_string_free`.
 *
 * # Safety
 * `out` must be NULL or writable, and `err` too.
 */
convoy_status convoy_engine_state_dir(const struct convoy_engine *engine,
                                      struct convoy_string *out,
                                      struct convoy_error **err);

/**
 * What `convoy_engine_start` would run, without starting or storing anything (a dry run). Arguments and failures are
 * those of `convoy_engine_start`.
 *
 * `out` receives JSON, to be freed with `convoy_string_free`: "name", "concurrency" (a number or "auto"), "branch"
 * (null: the one that is checked out), "phases" (a number) and "tasks", in the order of the file, each with "id",
 * "phase" (from 1), "agent", "adapter" (or null), "depends_on", "overlaps" (tasks that are not run at the same time),
 * "files" and "gates".
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
 * Records a convoy and starts it. `spec` is the text of the convoy file, in YAML or JSON. `options` is NULL with a
 * length of 0, or a JSON object with these members, all optional: "concurrency" (a number or "auto"), "adapter" and
 * "branch" (instead of the file's), "max_injected" (tasks that may be added while it runs), "inject_file" (boolean:
 * take tasks from a file, too). Both are UTF-8 and not kept.
 *
 * `out` receives the run, to be freed with `convoy_run_free`. Waits for git and the disk, not for agents.
 *
 * Fails with CONVOY_INVALID_SPEC (the details of the error list the problems, as `convoy_check_spec` does),
 * CONVOY_UNSUPPORTED, CONVOY_REPOSITORY (no commit or no branch to land on), CONVOY_AGENT (a program that the file
 * names is not there), CONVOY_STORE, CONVOY_CLOSED, CONVOY_BAD_JSON (the options) and the mistakes in the call.
 * Nothing is started then.
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
 * newest when it is NULL with a length of 0.
 *
 * `out` receives the run, to be freed with `convoy_run_free`. Waits for git and the disk. Fails with
 * CONVOY_NOTHING_TO_RESUME, CONVOY_NOT_FOUND, CONVOY_BUSY (a live engine runs it), CONVOY_AGENT, CONVOY_STORE,
 * CONVOY_CLOSED and the mistakes in the call.
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
 * `out` receives the run, to be freed with `convoy_run_free`. Waits for git and the disk. Fails with CONVOY_STATE (the
 * convoy has not ended), CONVOY_NOT_FOUND, CONVOY_BUSY, CONVOY_STORE, CONVOY_CLOSED, CONVOY_BAD_JSON and the mistakes
 * in the call.
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
 * Tries again to publish what a convoy that has ended landed. The run ends when the branch has moved, or is blocked
 * as before. `out` receives the run, to be freed with `convoy_run_free`. Fails as `convoy_engine_retry`.
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
 * "finished_at" and "totals".
 *
 * Fails with CONVOY_STORE, CONVOY_CLOSED and the mistakes in the call.
 *
 * # Safety
 * `out` must be NULL or writable, and `err` too.
 */
convoy_status convoy_engine_list(const struct convoy_engine *engine,
                                 struct convoy_string *out,
                                 struct convoy_error **err);

/**
 * A convoy as it is now. `out` receives the JSON object that `convoy status --json` prints, to be freed with
 * `convoy_string_free`: "convoy_id", "name", "status", "branch", "published", "totals", "tasks" (each with "id",
 * "status", "attempts", and where there is one "commit", "failure", "waiting_for", "dead_letter", ...) and others.
 *
 * Fails with CONVOY_NOT_FOUND, CONVOY_STORE, CONVOY_CLOSED and the mistakes in the call.
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
 * Whether a live engine, of this process or another, runs a convoy: `out` receives 1 or 0. Fails as
 * `convoy_engine_status`.
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
 * receives a JSON list, to be freed with `convoy_string_free`; an empty one where there are no more. The events look
 * as those of `convoy_run_next_event`. Fails as `convoy_engine_status`.
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
 * The dead letters of a convoy: tasks that were given up, in the order in which that was. `out` receives a JSON list,
 * to be freed with `convoy_string_free`; each has "dlq_id", "task", "agent", "failure_type", "attempts", "error",
 * "open" and, once closed, "resolution". To try such tasks again: `convoy_engine_retry`. Fails as
 * `convoy_engine_status`.
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
 * The disputes of a convoy, about work that reviewers block again and again, in the order in which they were opened. `out`
 * receives a JSON list, to be freed with `convoy_string_free`. Fails as `convoy_engine_status`.
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
 * work changed and how that was judged, and how to check the work out. `attempt` counts from 1; 0 is the newest.
 * `out` receives the JSON object that `convoy show --json` prints, to be freed with `convoy_string_free`. Fails as
 * `convoy_engine_status`.
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
 * receives the path, to be freed with `convoy_string_free`. Fails as `convoy_engine_status`.
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
 * `out` receives them with their number (and a NUL after them), to be freed with `convoy_string_free`. Fails with
 * CONVOY_REPOSITORY when the repository no longer has it, and as `convoy_engine_status`.
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
 * It follows soon, and events tell of it (`convoy_run_pause` does the same for a run of this process).
 *
 * Waits for the disk. Fails with CONVOY_STATE (the convoy is over, or nobody runs it), CONVOY_NOT_FOUND,
 * CONVOY_STORE, CONVOY_CLOSED and the mistakes in the call. May be called from several threads at once.
 *
 * # Safety
 * `convoy` must be NULL or point to `len` readable bytes that do not change during the call. `err` must be NULL or
 * writable.
 */
convoy_status convoy_engine_pause(const struct convoy_engine *engine,
                                  const char *convoy,
                                  size_t len,
                                  struct convoy_error **err);

/**
 * Ends a pause. Otherwise as `convoy_engine_pause`.
 *
 * # Safety
 * `convoy` must be NULL or point to `len` readable bytes that do not change during the call. `err` must be NULL or
 * writable.
 */
convoy_status convoy_engine_unpause(const struct convoy_engine *engine,
                                    const char *convoy,
                                    size_t len,
                                    struct convoy_error **err);

/**
 * Ends a convoy for good: nothing starts, agents that run are ended, their work is kept. One that nobody runs is
 * cancelled here, and that has happened when this returns. Otherwise as `convoy_engine_pause`.
 *
 * # Safety
 * `convoy` must be NULL or point to `len` readable bytes that do not change during the call. `err` must be NULL or
 * writable.
 */
convoy_status convoy_engine_cancel(const struct convoy_engine *engine,
                                   const char *convoy,
                                   size_t len,
                                   struct convoy_error **err);

/**
 * Lets a task that waits for approval go on. `tree` is the tree that the person has seen, as the task has it in
 * `convoy_engine_status`: another one is not approved; NULL with a length of 0 = whichever waits. `reason` is for the
 * record; NULL with a length of 0 = none. Texts are UTF-8 and not kept.
 *
 * Whoever runs the convoy does it soon, and an event tells of it ("request_refused" says why not). For a convoy that
 * nobody runs it is stored, and done by the next engine that takes it up.
 *
 * Waits for the disk. Fails with CONVOY_STATE (the convoy is over), CONVOY_NOT_FOUND, CONVOY_INVALID_ARGUMENT,
 * CONVOY_STORE, CONVOY_CLOSED and the mistakes in the call. May be called from several threads at once.
 *
 * # Safety
 * The texts must be NULL or point to so many readable bytes that do not change during the call. `err` must be NULL or
 * writable.
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
                                    struct convoy_error **err);

/**
 * Refuses a task that waits for approval: it fails. Otherwise as `convoy_engine_approve`.
 *
 * # Safety
 * The texts must be NULL or point to so many readable bytes that do not change during the call. `err` must be NULL or
 * writable.
 */
convoy_status convoy_engine_reject(const struct convoy_engine *engine,
                                   const char *convoy,
                                   size_t convoy_len,
                                   const char *task,
                                   size_t task_len,
                                   const char *reason,
                                   size_t reason_len,
                                   struct convoy_error **err);

/**
 * Skips a task that is not finished, and what depends on it. What works on it is ended; its work is kept. Otherwise
 * as `convoy_engine_approve`.
 *
 * # Safety
 * The texts must be NULL or point to so many readable bytes that do not change during the call. `err` must be NULL or
 * writable.
 */
convoy_status convoy_engine_skip(const struct convoy_engine *engine,
                                 const char *convoy,
                                 size_t convoy_len,
                                 const char *task,
                                 size_t task_len,
                                 const char *reason,
                                 size_t reason_len,
                                 struct convoy_error **err);

/**
 * Takes a person's commit as the work of a task that nobody works on: it is checked and landed like an agent's.
 * `revision` is whatever git takes for a commit. Fails with CONVOY_REPOSITORY, too, when the commit has no history
 * in common with the convoy's work. Otherwise as `convoy_engine_approve`.
 *
 * # Safety
 * The texts must be NULL or point to so many readable bytes that do not change during the call. `err` must be NULL or
 * writable.
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
                                   struct convoy_error **err);

/**
 * Asks whoever runs a convoy to add tasks. `tasks` is the text of an `inject.yml`, `source` says where it comes from,
 * for the record. `key` names the request: what is asked for twice under one key is added once; with NULL and a
 * length of 0 it gets a new one. `out`, unless it is NULL, receives the key, to be freed with `convoy_string_free`;
 * the event "tasks_added" or "injection_refused" that tells what became of it has the same.
 *
 * Fails with CONVOY_INVALID_SPEC (the problems are in the details of the error) and otherwise as
 * `convoy_engine_approve`.
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
 * Waits for the disk. Fails with CONVOY_NOT_FOUND, CONVOY_STATE (it is closed already, or the convoy has neither
 * ended nor an engine), CONVOY_STORE, CONVOY_CLOSED and the mistakes in the call. May be called from several threads
 * at once.
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
 * Frees a run. One that has not ended is interrupted, which can be resumed later; this does not wait for it. Whoever
 * waits for its events on another thread is answered CONVOY_END. NULL is fine, as is a run that was freed already, and a call from any
 * callback. Cannot fail.
 */
void convoy_run_free(struct convoy_run *run);

/**
 * The id of the convoy: `out` receives it, to be freed with `convoy_string_free`.
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
 * texts: what went wrong beside the convoy).
 *
 * Fails when the engine had to stop without an end (CONVOY_STORE, CONVOY_CLOSED, CONVOY_INTERNAL, ...; the convoy can
 * be resumed), and with the mistakes in the call.
 *
 * # Safety
 * `out` must be NULL or writable, and `err` too.
 */
convoy_status convoy_run_wait(const struct convoy_run *run,
                              int64_t timeout_ms,
                              struct convoy_string *out,
                              struct convoy_error **err);

/**
 * Asks the run to pause: agents that run finish, and nothing starts. It follows soon, and events tell of it; asking
 * a run that has ended does nothing. Never blocks. Fails with the mistakes in the call.
 *
 * # Safety
 * `err` must be NULL or writable.
 */
convoy_status convoy_run_pause(const struct convoy_run *run,
                               struct convoy_error **err);

/**
 * Ends a pause. Otherwise as `convoy_run_pause`.
 *
 * # Safety
 * `err` must be NULL or writable.
 */
convoy_status convoy_run_unpause(const struct convoy_run *run, struct convoy_error **err);

/**
 * Asks the run to end for good: nothing starts, agents that run are ended, their work is kept. It cannot be resumed
 * (though `convoy_engine_retry` takes its tasks up again). Otherwise as `convoy_run_pause`.
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
 * It takes the place of an earlier one; NULL for `wake` takes that away only. `destroy`, unless it is NULL, is called
 * exactly once with `user_data` when `wake` does not run and will not be called any more: after it was replaced, after the run was
 * freed, or when this call fails.
 *
 * Fails with the mistakes in the call. May be called from any threads at once.
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
 * function about events. Fails with CONVOY_STATE when events are read already, and the mistakes in the call.
 *
 * # Safety
 * `err` must be NULL or writable.
 */
convoy_status convoy_run_events_after(const struct convoy_run *run,
                                      uint64_t event_id,
                                      struct convoy_error **err);

/**
 * The next event of the run, if there is one now. Never blocks. `out` receives a JSON object on one line, to be freed
 * with `convoy_string_free`. The first call begins to fetch: from the first event of this run (start, resume, retry)
 * on, so that nothing is missed by reading late; for those of the convoy before it, `convoy_run_events_after`.
 *
 * A stored event has "_event_id" (its number, rising), "timestamp", "type", "convoy_id", "task_id" and "worker_id" (null where it
 * concerns none), and members of its type. Not stored, and without a number: "task_output" (a piece of what an agent
 * prints, free of secrets, with "task_id", "attempt_no" and "text"), "lagged" ("lost" pieces of such output
 * went by because nobody read them; stored events are never lost), and last of all "run_ended": "ended" is "finished"
 * or "interrupted" (with the "status" of the convoy and "warnings") or "failed" (with "error": "status", "kind",
 * "message"; the convoy can be resumed). "unread", if it is there, says why events before it could not be read.
 *
 * CONVOY_EMPTY: none now. CONVOY_END: none any more, "run_ended" was read. Both make no error object. Fails with the
 * mistakes in the call. May be called from several threads at once, each of which gets other events.
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
 * # Safety
 * `out` must be NULL or writable, and `err` too.
 */
convoy_status convoy_run_wait_event(const struct convoy_run *run,
                                    int64_t timeout_ms,
                                    struct convoy_string *out,
                                    struct convoy_error **err);

/**
 * The next events of the run that are there now, at most `max`, as a JSON list with at least one: as
 * `convoy_run_next_event` otherwise, and with far fewer calls where there are many. CONVOY_BAD_NUMBER when `max` is 0.
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
 * Fails with CONVOY_INTERNAL when the system has no more descriptors, and the mistakes in the call. May be called from
 * any threads at once.
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
 * `convoy_review_runner`, `convoy_merge_queue`.
 *
 * Never blocks. From any thread, also from within the callback that was asked. A number is answered once: after
 * CONVOY_OK it is used up. With CONVOY_BAD_JSON, CONVOY_BAD_UTF8 and the like the question is still open.
 * CONVOY_NO_COMPLETION: it was answered before, or the engine no longer waits (it was cancelled and the time for
 * that is over, or the engine is gone): nothing is wrong, forget the number.
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
 * merge queue could not do the step. Otherwise as `convoy_completion_resolve`.
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
 * Hands over a piece of what the agent or reviewer prints. It goes, free of secrets, into the log of the attempt, and
 * is seen live as an event `task_output`. It also shows that the agent is alive, where the task has a limit on
 * silence. `stream` is 1 for standard output, 2 for standard error. `data` is any bytes, cut anywhere; not kept.
 *
 * From any thread, before the completion is answered. Pieces of one completion stay in order if they are handed
 * over one after the other. Waits while more than 4 MiB wait to be written to the log; never for the host.
 *
 * Fails with CONVOY_NO_COMPLETION as `convoy_completion_resolve`, CONVOY_BAD_NUMBER for another stream, and
 * CONVOY_STATE for a step of a merge queue, which prints nothing.
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
 * Says which session the agent works in (`len` bytes of UTF-8, not kept), so that a later attempt can continue it
 * even when this one is cut off. Only for an adapter with the capability "resume". Otherwise as
 * `convoy_completion_output`.
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
 * Says that the agent runs as the process `pid`, for the record. Give every process that you start the variables
 * of the request's "env": what bears its CONVOY_ATTEMPT is found and ended even after a crash of this process.
 * Otherwise as `convoy_completion_output`.
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
