#!/usr/bin/env bash
# check.sh LIBRARY : builds the wheel with that libconvoy, installs it into a fresh environment, and runs there the
# type checker, the tests, and the programs of the README and the examples. PYTHON names the Python (else python3).
set -euo pipefail
[ $# -eq 1 ] || { sed -n '2,3s/^# //p' "$0" >&2; exit 2; }
library=$(realpath -- "$1")
cd "$(dirname -- "${BASH_SOURCE[0]}")"
scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT
unset CONVOY_LIBRARY PYTHONPATH
export PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1

"${PYTHON:-python3}" -m venv "$scratch/venv"
python=$scratch/venv/bin/python
PYTHON=$python ./build_wheel.sh "$library" "$scratch/wheel"
"$python" -m pip install --quiet --no-index "$scratch"/wheel/convoy-*.whl
"$python" -m pip install --quiet 'mypy>=1.15,<3'

cd "$scratch"
"$python" -c 'import convoy, sys; assert convoy.__file__.startswith(sys.prefix), convoy.__file__; print("convoy", convoy.version())'
echo 'types'
"$python" -m mypy --strict --cache-dir "$scratch/types" --package convoy
"$python" -m mypy --strict --cache-dir "$scratch/types" "$OLDPWD"/../../examples/embed-python/*.py "$OLDPWD"/tests/typed_host.py
cd "$OLDPWD/tests"
"$python" -W error::ResourceWarning -m unittest discover
