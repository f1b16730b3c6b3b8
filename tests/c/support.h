/* What the C test programs share. */
#ifndef CONVOY_TEST_SUPPORT_H
#define CONVOY_TEST_SUPPORT_H

#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif

#include <convoy.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                   \
    do {                                                                                   \
        if (!(condition)) {                                                                \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
            exit(1);                                                                       \
        }                                                                                  \
    } while (0)

/* The call succeeds; says why not. */
#define OK(call)                                                                                            \
    do {                                                                                                    \
        convoy_error *err = NULL;                                                                           \
        if ((call) != CONVOY_OK) {                                                                          \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #call, convoy_error_chain(err, NULL));   \
            exit(1);                                                                                        \
        }                                                                                                   \
        CHECK(err == NULL);                                                                                 \
    } while (0)

/* The call fails with this status, and its error says this word. */
#define FAILS(call, status, word)                                                                           \
    do {                                                                                                    \
        convoy_error *err = NULL;                                                                           \
        convoy_status got = (call);                                                                         \
        if (got != (status) || strstr(convoy_error_message(err, NULL), (word)) == NULL) {                   \
            fprintf(stderr, "%s:%d: %s: got %s: %s\n", __FILE__, __LINE__, #call, convoy_status_name(got),  \
                    convoy_error_message(err, NULL));                                                       \
            exit(1);                                                                                        \
        }                                                                                                   \
        CHECK(convoy_error_status(err) == (status));                                                        \
        convoy_error_free(err);                                                                             \
    } while (0)

/* A text constant as pointer and length. */
#define TEXT(text) (text), strlen(text)

/* The value of a member of a flat JSON text, which holds no escapes; the caller frees it. */
static inline char *member(const char *json, const char *name) {
    char pattern[64];
    const char *start, *end;
    char *value;
    snprintf(pattern, sizeof pattern, "\"%s\":\"", name);
    start = strstr(json, pattern);
    if (start == NULL) {
        return NULL;
    }
    start += strlen(pattern);
    end = strchr(start, '"');
    CHECK(end != NULL);
    value = malloc((size_t)(end - start) + 1);
    CHECK(value != NULL);
    memcpy(value, start, (size_t)(end - start));
    value[end - start] = 0;
    return value;
}

/* The first line that a command prints, in a buffer; its exit code is answered. */
static inline int line_of(const char *command, char *line, size_t size) {
    FILE *pipe = popen(command, "r");
    CHECK(pipe != NULL);
    if (fgets(line, (int)size, pipe) == NULL) {
        line[0] = 0;
    }
    line[strcspn(line, "\n")] = 0;
    while (fgetc(pipe) != EOF) {
    }
    return pclose(pipe);
}

/* A file with this text. */
static inline void write_file(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    CHECK(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
}

/* A builder for a repository, whose engine has the PATH and HOME of this process. */
static inline convoy_engine_builder *builder_for(const char *repository, const char *more) {
    convoy_engine_builder *builder = NULL;
    char options[4096];
    const char *path = getenv("PATH"), *home = getenv("HOME");
    CHECK(path != NULL && home != NULL);
    OK(convoy_engine_builder_new(TEXT(repository), &builder, &err));
    snprintf(options, sizeof options,
             "{\"env\":{\"PATH\":\"%s\",\"HOME\":\"%s\",\"GIT_CONFIG_NOSYSTEM\":\"1\","
             "\"GIT_CONFIG_GLOBAL\":\"/dev/null\"}%s%s}",
             path, home, strstr(more, "\"grace_ms\"") == NULL ? ",\"grace_ms\":1000" : "", more);
    OK(convoy_engine_builder_set_options(builder, TEXT(options), &err));
    return builder;
}

/* The engine of a builder, which is freed. */
static inline convoy_engine *engine_of(convoy_engine_builder *builder) {
    convoy_engine *engine = NULL;
    OK(convoy_engine_build(builder, &engine, &err));
    convoy_engine_builder_free(builder);
    return engine;
}

#endif
