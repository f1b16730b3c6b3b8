#!/usr/bin/env bash
# check.sh LIBRARY [FOLDER] : builds the wheel with that libconvoy, installs it into a fresh environment (in FOLDER,
# which must not be there yet; else in one that is deleted), and runs there the type checker, the tests, the programs
# of the README, the examples and the benchmark. PYTHON names the Python (else python3).
set -euo pipefail
[ $# -eq 1 ] || [ $# -eq 2 ] || { sed -n '2,4s/^# //p' "$0" >&2; exit 2; }
library=$(realpath -- "$1")
scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT
venv=$(realpath -m -- "${2:-$scratch/venv}")
[ ! -e "$venv" ] || { echo "check.sh: $venv is there already" >&2; exit 2; }
cd "$(dirname -- "${BASH_SOURCE[0]}")"
unset CONVOY_LIBRARY PYTHONPATH
export PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1

"${PYTHON:-python3}" -m venv "$venv"
python=$venv/bin/python
PYTHON=$python ./build_wheel.sh "$library" "$scratch/wheel"
"$python" -m pip install --quiet --no-index "$scratch"/wheel/convoy-*.whl
"$python" -m pip install --quiet 'mypy>=1.15,<3'

cd tests
"$python" -c 'import convoy, sys; assert convoy.__file__.startswith(sys.prefix), convoy.__file__; print("convoy", convoy.version())'
"$python" -m mypy --strict --cache-dir "$scratch/types" --package convoy
"$python" -m mypy --strict --cache-dir "$scratch/types" typed_host.py ../bench/events.py ../../../examples/embed-python/*.py
"$python" -W error::ResourceWarning -m unittest discover
"$python" ../bench/events.py 2000
