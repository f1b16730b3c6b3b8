// Faults in memory made on purpose, in an addon: what looks for faults must find them.

#include <cstdlib>

#include <node_api.h>

namespace {

// A byte at an address, read and given to JavaScript, so that no compiler can leave the fault out.
napi_value byte_at(napi_env env, const volatile char *at) {
    napi_value value = nullptr;
    napi_create_int32(env, *at, &value);
    return value;
}

napi_value overflow(napi_env env, napi_callback_info) {
    char *volatile text = static_cast<char *>(std::calloc(8, 1));
    napi_value value = byte_at(env, text + 8);
    std::free(text);
    return value;
}

napi_value stale(napi_env env, napi_callback_info) {
    char *volatile text = static_cast<char *>(std::calloc(8, 1));
    std::free(text);
    return byte_at(env, text);
}

}  // namespace

NAPI_MODULE_INIT() {
    const napi_property_descriptor functions[] = {
        {"overflow", nullptr, overflow, nullptr, nullptr, nullptr, napi_default, nullptr},
        {"stale", nullptr, stale, nullptr, nullptr, nullptr, napi_default, nullptr},
    };
    return napi_define_properties(env, exports, 2, functions) == napi_ok ? exports : nullptr;
}
