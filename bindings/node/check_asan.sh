#!/usr/bin/env bash
# check_asan.sh LIBRARY_FOLDER : builds the addon with AddressSanitizer (of gcc) and the libconvoy of that folder, and runs with
# it the tests of adapters, of code beside them, and of everything that ends. That faults are found is proved first.
# NODE_DIR is as for check.sh. Leaks are not looked for: what lives as long as a process is Node's way.
set -euo pipefail
[ $# -eq 1 ] || { sed -n '2,4s/^# //p' "$0" >&2; exit 2; }
library=$(realpath -- "$1")
cd "$(dirname -- "${BASH_SOURCE[0]}")"
headers=${NODE_DIR:-$(dirname -- "$(dirname -- "$(realpath -- "$(command -v node)")")")}/include/node
scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT
unset NODE_PATH NODE_OPTIONS

build() {
    g++ -std=c++17 -g -O1 -fno-omit-frame-pointer -fsanitize=address -shared -fPIC -DNAPI_VERSION=8 \
        -DNODE_GYP_MODULE_NAME=convoy -I "$headers" -I ../../include "$@"
}
package=$scratch/node_modules/convoy
mkdir -p "$package/build/Release"
cp -r lib package.json "$package/"
cp "$library/libconvoy.so" "$package/build/Release/"
build src/*.cc -o "$package/build/Release/convoy.node" -L "$library" -lconvoy -Wl,-rpath,'$ORIGIN' -Wl,-z,nodelete,-z,lazy
build tests/planted.cc -o "$scratch/planted.node"
cp -r tests "$scratch/"
cd "$scratch"

LD_PRELOAD=$(gcc -print-file-name=libasan.so)
export LD_PRELOAD ASAN_OPTIONS=detect_leaks=0
for fault in overflow stale; do
    if node -e "require('./planted.node').$fault()" >found 2>&1; then
        echo "not found: $fault"
        exit 1
    fi
    grep -m1 'ERROR: AddressSanitizer' found
done
node --expose-gc --test tests/{adapters,host-code,lifetime}.test.js
