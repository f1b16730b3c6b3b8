#!/usr/bin/env bash
# build_wheel.sh LIBRARY FOLDER : builds the wheel of this package with that libconvoy, and leaves it in the folder.
# PYTHON names the Python that builds it (python3 if not set); it needs pip, which fetches setuptools.
set -euo pipefail
[ $# -eq 2 ] || { sed -n '2,3s/^# //p' "$0" >&2; exit 2; }
library=$(realpath -- "$1")
mkdir -p -- "$2"
out=$(realpath -- "$2")
here=$(cd "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
copy=$(mktemp -d)
trap 'rm -rf -- "$copy"' EXIT

# Built in a copy, so that nothing is left in the sources.
cp -r -- "$here/convoy" "$here/pyproject.toml" "$here/setup.py" "$here/README.md" "$here"/../../LICENSE-* "$copy"
find "$copy" -name __pycache__ -prune -exec rm -rf -- {} +
mkdir -p -- "$copy/convoy/_lib" "$copy/convoy/_doc"
install -m 644 -- "$here"/../../convoy-core/{REFERENCE,EVENTS}.md "$copy/convoy/_doc"
install -m 644 -- "$library" "$copy/convoy/_lib/libconvoy.${library##*.}"
# Symbols for debuggers are most of a debug build.
strip --strip-debug "$copy"/convoy/_lib/libconvoy.* 2>/dev/null || true
"${PYTHON:-python3}" -m pip --disable-pip-version-check wheel --quiet --no-deps --wheel-dir "$out" "$copy"
ls -- "$out"/convoy-*.whl
