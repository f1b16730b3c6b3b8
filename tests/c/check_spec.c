/* The C interface as a C program uses it, and misuses it.
 *
 * check_spec        checks itself; prints the first thing that is wrong, and exits with 1
 * check_spec FILE   prints the findings of the file as JSON
 */
#include <convoy.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                  \
    do {                                                                                  \
        if (!(condition)) {                                                               \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
            exit(1);                                                                      \
        }                                                                                 \
    } while (0)

static const char good[] = "name: c\nversion: 1\ntasks:\n  - id: a\n    prompt: do it\n";
static const char bad[] = "name: c\nversion: 1\ntasks:\n  - id: a\n    promt: do it\n";

/* The findings of a text, which the caller frees. */
static convoy_string findings(const char *text, size_t len) {
    convoy_string out = {NULL, 0};
    convoy_error *err = NULL;
    CHECK(convoy_check_spec(text, len, &out, &err) == CONVOY_OK);
    CHECK(err == NULL);
    CHECK(out.data != NULL);
    CHECK(out.len == strlen(out.data));
    return out;
}

/* The call fails with this status and says so in its error; the output is left as it was. */
static void refused(const char *text, size_t len, convoy_status expected, const char *word) {
    char untouched = 'u';
    convoy_string out;
    convoy_error *err = NULL;
    size_t message_len = 0;
    const char *message;

    out.data = &untouched;
    out.len = 7;
    CHECK(convoy_check_spec(text, len, &out, &err) == expected);
    CHECK(out.data == &untouched && out.len == 7);
    CHECK(err != NULL);
    CHECK(convoy_error_status(err) == expected);
    message = convoy_error_message(err, &message_len);
    CHECK(strlen(message) == message_len);
    CHECK(strstr(message, word) != NULL);
    convoy_error_free(err);

    /* The same for a host that does not want to know why. */
    CHECK(convoy_check_spec(text, len, &out, NULL) == expected);
    CHECK(out.data == &untouched && out.len == 7);
}

static void versions(void) {
    CHECK(convoy_abi_version() == CONVOY_ABI_VERSION);
    CHECK(strchr(convoy_version(), '.') != NULL);
    CHECK(convoy_version() == convoy_version());
}

static void specs(void) {
    convoy_string out = findings(good, strlen(good));
    CHECK(strcmp(out.data, "{\"ok\":true,\"problems\":[]}") == 0);
    convoy_string_free(&out);
    CHECK(out.data == NULL && out.len == 0);
    convoy_string_free(&out);

    /* Without its NUL, and with something else behind it. */
    out = findings("name: c\nversion: 1\ntasks:\n  - id: a\n    prompt: do it\n]]]]", strlen(good));
    CHECK(strcmp(out.data, "{\"ok\":true,\"problems\":[]}") == 0);
    convoy_string_free(&out);

    out = findings(bad, strlen(bad));
    CHECK(strstr(out.data, "\"ok\":false") != NULL);
    CHECK(strstr(out.data, "\"line\":5") != NULL);
    CHECK(strstr(out.data, "promt") != NULL);
    convoy_string_free(&out);
}

static void empty(void) {
    convoy_string out = findings("", 0);
    CHECK(strstr(out.data, "\"ok\":false") != NULL);
    convoy_string_free(&out);
    out = findings(NULL, 0);
    CHECK(strstr(out.data, "\"ok\":false") != NULL);
    convoy_string_free(&out);
}

/* 16 MiB: a prompt of one line that long. What the library thinks of it is its affair; it has to say it. */
static void large(void) {
    const char head[] = "name: c\nversion: 1\ntasks:\n  - id: a\n    prompt: ";
    const size_t len = (size_t)16 << 20;
    char *text = malloc(len);
    convoy_string out;
    CHECK(text != NULL);
    memset(text, 'x', len);
    memcpy(text, head, strlen(head));
    out = findings(text, len);
    CHECK(strncmp(out.data, "{\"ok\":", 6) == 0);
    convoy_string_free(&out);
    free(text);
}

static void misuse(void) {
    convoy_error *err = NULL;
    size_t len = 1;

    refused(NULL, 1, CONVOY_NULL_ARGUMENT, "`text`");
    refused("name: \xff", 7, CONVOY_BAD_UTF8, "byte 6");
    refused("name: \xc3", 7, CONVOY_BAD_UTF8, "byte 6");
    refused("name: c", (size_t)-1, CONVOY_BAD_LENGTH, "length");

    CHECK(convoy_check_spec(good, strlen(good), NULL, &err) == CONVOY_NULL_ARGUMENT);
    CHECK(strstr(convoy_error_message(err, NULL), "`out`") != NULL);
    convoy_error_free(err);
    CHECK(convoy_check_spec(NULL, 1, NULL, NULL) == CONVOY_NULL_ARGUMENT);

    convoy_string_free(NULL);
    convoy_error_free(NULL);
    CHECK(convoy_error_status(NULL) == CONVOY_OK);
    CHECK(strcmp(convoy_error_message(NULL, &len), "") == 0);
    CHECK(len == 0);
}

static int print_findings(const char *path) {
    FILE *file = fopen(path, "rb");
    char *text;
    long len;
    convoy_string out;

    CHECK(file != NULL);
    CHECK(fseek(file, 0, SEEK_END) == 0);
    len = ftell(file);
    CHECK(len >= 0);
    rewind(file);
    text = malloc((size_t)len + 1);
    CHECK(text != NULL);
    CHECK(fread(text, 1, (size_t)len, file) == (size_t)len);
    fclose(file);

    out = findings(text, (size_t)len);
    free(text);
    puts(out.data);
    convoy_string_free(&out);
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 2) {
        return print_findings(argv[1]);
    }
    versions();
    specs();
    empty();
    large();
    misuse();
    return 0;
}
