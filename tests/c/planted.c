/* Faults, to show that what looks for them is on.
 *
 * planted leak        forgets a text of the library
 * planted overflow    writes behind the end of one
 * planted stale       reads an error that was freed
 */
#include "support.h"

int main(int argc, char **argv) {
    convoy_string found = {NULL, 0};
    convoy_error *err = NULL;
    CHECK(argc == 2);
    CHECK(convoy_check_spec(TEXT("tasks: 7"), &found, NULL) == CONVOY_OK);
    if (strcmp(argv[1], "leak") == 0) {
        found.data = NULL;
        return 0;
    }
    if (strcmp(argv[1], "overflow") == 0) {
        volatile char *end = found.data + found.len + 1;
        *end = 'x';
    }
    CHECK(convoy_check_spec(NULL, 1, &found, &err) == CONVOY_NULL_ARGUMENT);
    if (strcmp(argv[1], "stale") == 0) {
        const char *message = convoy_error_message(err, NULL);
        convoy_error_free(err);
        return message[0] == 'x';
    }
    convoy_error_free(err);
    convoy_string_free(&found);
    return 0;
}
