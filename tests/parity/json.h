/* Reading compact JSON further than the example does: lists, and places in them. */
#ifndef PARITY_JSON_H
#define PARITY_JSON_H

#include "../../examples/embed-c/json.h"

/* An item of a list; an empty text if there are not so many. */
static const char *item(const char *list, int number) {
    if (*list != '[' || list[1] == ']') {
        return "";
    }
    for (list++; number > 0; number--) {
        list = behind(list);
        if (*list++ != ',') {
            return "";
        }
    }
    return list;
}

static int items(const char *list) {
    int count = 0;
    while (*item(list, count) != 0) {
        count++;
    }
    return count;
}

/* A value as it stands in the text, to be freed. */
static char *piece(const char *at) {
    size_t len = (size_t)(behind(at) - at);
    char *copy = allocate(len + 1);
    memcpy(copy, at, len);
    copy[len] = 0;
    return copy;
}

/* The text of an item or member, to be freed; what is none is empty, and another value is as it stands. */
static char *words_of(const char *at) {
    char *text = *at == '"' ? text_of(at) : piece(at);
    if (text == NULL) {
        fprintf(stderr, "a text that no C string can hold: %.80s\n", at);
        exit(1);
    }
    return text;
}

/* Whether a value is this text, which needs no escapes. */
static int is(const char *at, const char *text) {
    size_t len = strlen(text);
    return *at == '"' && strncmp(at + 1, text, len) == 0 && at[1 + len] == '"';
}

#endif
