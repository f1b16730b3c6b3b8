#!/usr/bin/env bash
# check.sh LIBRARY [FOLDER] : builds the wheel with that libconvoy, installs it into a fresh environment (in FOLDER,
# which must not be there yet; else in one that is deleted), and runs there the type checker, the tests, the programs
# of the README and the examples. PYTHON names the Python (else python3). That the sources want no newer one than 3.9 is
# looked up; where there is a python3.9, the tests run with it, too.
set -euo pipefail
[ $# -eq 1 ] || [ $# -eq 2 ] || { sed -n '2,6s/^# //p' "$0" >&2; exit 2; }
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
"$python" -m mypy --strict --cache-dir "$scratch/types" typed_host.py ../../../examples/events-speed/hosts/read.py ../../../examples/embed-python/*.py
"$python" -W error::ResourceWarning -m unittest discover

# The oldest Python that is promised. First that its absence would be noticed.
"$python" -m pip install --quiet 'vermin>=1.6,<2'
oldest=("$venv/bin/vermin" --quiet --no-tips --violations --eval-annotations -t=3.9-)
printf 'match 1:\n    case _:\n        pass\n' >"$scratch/newer.py"
! "${oldest[@]}" "$scratch/newer.py" || { echo 'check.sh: vermin does not tell what is newer' >&2; exit 1; }
"${oldest[@]}" ../convoy ../setup.py .
if python3.9 -c 'import venv' 2>/dev/null; then
    python3.9 -m venv "$scratch/oldest"
    "$scratch/oldest/bin/python" -m pip install --quiet --no-index "$scratch"/wheel/convoy-*.whl
    "$scratch/oldest/bin/python" -m unittest discover
else
    echo 'no python3.9: the tests did not run with it'
fi
