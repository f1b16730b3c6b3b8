/* Sizes and places of everything in the header that crosses the border by value, and the numbers of the statuses:
 * what must not change as long as CONVOY_ABI_VERSION does not. */
#include "support.h"

#define SIZE(type) printf("sizeof %s %zu\n", #type, sizeof(type))
#define PLACE(type, member) printf("offsetof %s.%s %zu\n", #type, #member, offsetof(type, member))

int main(void) {
    int number;
    printf("abi %d\n", CONVOY_ABI_VERSION);
    SIZE(convoy_status);
    SIZE(convoy_string);
    PLACE(convoy_string, data);
    PLACE(convoy_string, len);
    SIZE(convoy_agent_adapter);
    PLACE(convoy_agent_adapter, struct_size);
    PLACE(convoy_agent_adapter, user_data);
    PLACE(convoy_agent_adapter, destroy);
    PLACE(convoy_agent_adapter, execute);
    PLACE(convoy_agent_adapter, cancel);
    SIZE(convoy_review_runner);
    PLACE(convoy_review_runner, struct_size);
    PLACE(convoy_review_runner, user_data);
    PLACE(convoy_review_runner, destroy);
    PLACE(convoy_review_runner, review);
    PLACE(convoy_review_runner, cancel);
    SIZE(convoy_merge_queue);
    PLACE(convoy_merge_queue, struct_size);
    PLACE(convoy_merge_queue, user_data);
    PLACE(convoy_merge_queue, destroy);
    PLACE(convoy_merge_queue, prepare);
    PLACE(convoy_merge_queue, advance);
    PLACE(convoy_merge_queue, settle);
    PLACE(convoy_merge_queue, cancel);
    SIZE(convoy_host_code);
    PLACE(convoy_host_code, struct_size);
    PLACE(convoy_host_code, user_data);
    PLACE(convoy_host_code, destroy);
    PLACE(convoy_host_code, call);
    PLACE(convoy_host_code, cancel);
    for (number = 0; number < 1000; number++) {
        const char *name = convoy_status_name(number);
        if (strcmp(name, "CONVOY_UNKNOWN") != 0) {
            printf("status %s %d\n", name, number);
        }
    }
    return 0;
}
