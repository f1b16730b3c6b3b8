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
 * soon as the call has returned. Text that comes out is UTF-8 too and NUL-terminated.
 *
 * The library keeps no error per thread and prints nothing, with one exception: where it has a fault and panics,
 * Rust's default hook writes a line to standard error before the call returns CONVOY_PANICKED.
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
 * Families: 1 to 99 are mistakes in the call itself, 900 to 999 are faults of the library.
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
     * The library has a fault: it panicked, and the panic was caught. Nothing was written to the outputs.
     */
    CONVOY_PANICKED = 900,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum convoy_status convoy_status;
#else
typedef int32_t convoy_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Why a call failed. Made by the call that failed, owned by the program, freed with `convoy_error_free`.
 *
 * An error never changes.
 */
typedef struct convoy_error convoy_error;

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

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* CONVOY_H */
