{
  "variables": {
    "convoy_library%": "<!(node -p \"process.env.CONVOY_LIB_DIR || require('path').resolve('../../target/release')\")",
    "convoy_header%": "<!(node -p \"require('fs').existsSync('include/convoy.h') ? 'include' : '../../include'\")"
  },
  "targets": [
    {
      "target_name": "convoy",
      "sources": ["src/addon.cc", "src/build.cc", "src/call.cc", "src/channel.cc"],
      "include_dirs": ["<(convoy_header)"],
      "defines": ["NAPI_VERSION=8"],
      "cflags_cc": ["-std=c++17", "-Wall", "-Wextra", "-fvisibility=hidden"],
      "cflags_cc!": ["-fno-exceptions"],
      "libraries": ["-L<(convoy_library)", "-lconvoy"],
      "conditions": [
        ["OS=='linux'", {
          "ldflags": ["-Wl,-rpath,'$$ORIGIN'", "-Wl,-z,nodelete"],
          "copies": [{ "destination": "<(PRODUCT_DIR)", "files": ["<(convoy_library)/libconvoy.so"] }]
        }],
        ["OS=='mac'", {
          "xcode_settings": {
            "GCC_ENABLE_CPP_EXCEPTIONS": "YES",
            "CLANG_CXX_LANGUAGE_STANDARD": "c++17",
            "OTHER_LDFLAGS": ["-Wl,-rpath,@loader_path"]
          },
          "copies": [{ "destination": "<(PRODUCT_DIR)", "files": ["<(convoy_library)/libconvoy.dylib"] }]
        }]
      ]
    }
  ]
}
