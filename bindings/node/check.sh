#!/usr/bin/env bash
# check.sh LIBRARY_FOLDER : builds the addon with the libconvoy of that folder, packs it, installs the packages into a new
# project, and runs there the type checker, the tests, and the programs of the README and the examples; the tests also with
# the oldest Node that is promised, from the registry (OLDEST=no leaves that out). NODE_DIR names the folder in which
# include/node has the headers of Node (else that of the program); nothing is fetched for it.
set -euo pipefail
[ $# -eq 1 ] || { sed -n '2,5s/^# //p' "$0" >&2; exit 2; }
library=$(realpath -- "$1")
cd "$(dirname -- "${BASH_SOURCE[0]}")"
sources=$PWD
scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT
unset NODE_PATH NODE_OPTIONS CONVOY_LIB_DIR
export npm_config_update_notifier=false npm_config_fund=false npm_config_audit=false

headers=${NODE_DIR:-$(dirname -- "$(dirname -- "$(realpath -- "$(command -v node)")")")}
[ -f "$headers/include/node/node_api.h" ] ||
    { echo "no headers of Node in $headers/include/node: install them (Debian: libnode-dev), or set NODE_DIR"; exit 1; }
gyp=$(command -v node-gyp) || gyp=$(npm root --global)/npm/node_modules/node-gyp/bin/node-gyp.js
[ -e "$gyp" ] || { echo 'node-gyp is missing: install it (Debian: node-gyp)'; exit 1; }
# Built in a copy, so that no two checks meet and the sources stay clean.
mkdir -p "$scratch/copy/bindings/node"
cp -r binding.gyp package.json README.md lib src scripts "$scratch/copy/bindings/node/"
cp -r ../../include ../../LICENSE-MIT ../../LICENSE-APACHE "$scratch/copy/"
mkdir "$scratch/copy/convoy-core"
cp ../../convoy-core/REFERENCE.md ../../convoy-core/EVENTS.md "$scratch/copy/convoy-core/"
cd "$scratch/copy/bindings/node"
CONVOY_LIB_DIR=$library "$gyp" rebuild --nodedir="$headers" --loglevel=warn
node scripts/pack.js "$library" "$scratch/packages"

mkdir "$scratch/project"
cd "$scratch/project"
echo '{"name": "project", "version": "1.0.0", "private": true}' >package.json
npm install --offline "$scratch"/packages/*.tgz
node -e 'const at = require.resolve("convoy"); if (!at.startsWith(process.cwd())) throw at; console.log("convoy", require("convoy").version)'
cp -r "$sources/tests" tests
[ "${TYPES:-yes}" = no ] || {
    npm install --no-save --prefix "$scratch/types" typescript@5
    "$scratch/types/node_modules/.bin/tsc" --strict --noEmit --target es2022 --lib es2022,dom,esnext.disposable \
        --module node16 tests/typed-host.ts
}
CONVOY_NODE_SOURCES=$sources node --expose-gc --test tests/*.test.js
[ "${OLDEST:-yes}" = no ] || {
    oldest=node-$(node -p 'process.platform + "-" + process.arch')
    npm install --no-save --prefix "$scratch/oldest" "$oldest@18"
    oldest=$scratch/oldest/node_modules/$oldest/bin/node
    "$oldest" --version | grep '^v18\.'
    CONVOY_NODE_SOURCES=$sources "$oldest" --expose-gc --test tests/*.test.js
}

# The same package where there is no prebuilt addon: node-gyp builds it.
mkdir "$scratch/built"
cd "$scratch/built"
echo '{"name": "built", "version": "1.0.0", "private": true}' >package.json
PATH=$(dirname -- "$gyp"):$PATH CONVOY_LIB_DIR=$library CONVOY_NODE_DIR=$headers \
    npm install --offline --omit=optional --foreground-scripts --ignore-scripts=false "$scratch"/packages/convoy-[0-9]*.tgz
node -e 'console.log("convoy, built here", require("convoy").version)'
