/* What the example reads and writes of JSON. A host has a library for it. */
#ifndef EMBED_JSON_H
#define EMBED_JSON_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline void *allocate(size_t size) {
    void *memory = malloc(size);
    if (memory == NULL) {
        fputs("embed: out of memory\n", stderr);
        exit(1);
    }
    return memory;
}

/* The place behind a JSON value. What the library gives is valid and without blanks. */
static inline const char *behind(const char *at) {
    int depth = 0, quoted = 0;
    for (; *at != 0 && (quoted || depth > 0 || strchr(",]}", *at) == NULL); at++) {
        if (quoted && *at == '\\' && at[1] != 0) {
            at++;
        } else if (*at == '"') {
            quoted = !quoted;
        } else if (!quoted) {
            depth += (*at == '{' || *at == '[') - (*at == '}' || *at == ']');
        }
    }
    return at;
}

/* The value of a member of a JSON object, not of one within it; an empty text if there is none. */
static inline const char *member(const char *object, const char *name) {
    size_t len = strlen(name);
    while (*object == '{' || *object == ',') {
        const char *key = ++object;
        if (*key == '"' && strncmp(key + 1, name, len) == 0 && strncmp(key + 1 + len, "\":", 2) == 0) {
            return key + len + 3;
        }
        object = behind(key); /* the key, and its value with it */
    }
    return "";
}

/* Four hexadecimal digits as a number, or -1. */
static inline long hex4(const char *digits) {
    char copy[5] = {0};
    if (strspn(digits, "0123456789abcdefABCDEF") < 4) {
        return -1;
    }
    memcpy(copy, digits, 4);
    return strtol(copy, NULL, 16);
}

/* Appends a character as UTF-8. */
static inline char *put(char *out, long c) {
    int more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const int first[] = {0, 0xC0, 0xE0, 0xF0};
    *out++ = (char)(first[more] | (int)(c >> (6 * more)));
    while (more-- > 0) {
        *out++ = (char)(0x80 | ((c >> (6 * more)) & 0x3F));
    }
    return out;
}

/* The text of a JSON string, to be freed. NULL for another value, and for what no C string can hold. */
static inline char *text_of(const char *at) {
    static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    char *text, *out;
    if (*at++ != '"') {
        return NULL;
    }
    out = text = allocate(strlen(at) + 1); /* every escape is longer than what it stands for */
    for (; *at != 0 && *at != '"'; at++) {
        const char *letter;
        if (*at != '\\') {
            *out++ = *at;
        } else if (*++at == 'u') {
            long c = hex4(at + 1), low;
            at += c < 0 ? 0 : 4;
            if (c >= 0xD800 && c < 0xDC00 && at[1] == '\\' && at[2] == 'u') { /* the first half of a pair */
                low = hex4(at + 3);
                c = low >= 0xDC00 && low < 0xE000 ? 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00) : -1;
                at += c < 0 ? 0 : 6;
            }
            if (c <= 0 || (c >= 0xD800 && c < 0xE000)) {
                break; /* a NUL, or half a pair */
            }
            out = put(out, c);
        } else if (*at != 0 && (letter = strchr(letters, *at)) != NULL) {
            *out++ = meant[letter - letters];
        } else {
            break;
        }
    }
    *out = 0;
    if (*at != '"') {
        free(text);
        return NULL;
    }
    return text;
}

/* A text as a JSON string, to be freed. */
static inline char *json_of(const char *text) {
    char *json = allocate(6 * strlen(text) + 3), *out = json;
    for (*out++ = '"'; *text != 0; text++) {
        if ((unsigned char)*text < 0x20) {
            out += sprintf(out, "\\u%04x", (unsigned)*text);
        } else {
            out += sprintf(out, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
        }
    }
    strcpy(out, "\"");
    return json;
}

#endif
