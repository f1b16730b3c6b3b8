#!/usr/bin/env bash
# check.sh VENV : installs what the web host needs into a virtual environment that has convoy, checks its types, and looks
# at its page in a headless Chromium.
set -euo pipefail
[ $# -eq 1 ] || { sed -n '2,3s/^# //p' "$0" >&2; exit 2; }
python=$(realpath -s -- "$1")/bin/python
cd "$(dirname -- "${BASH_SOURCE[0]}")"
export PYTHONDONTWRITEBYTECODE=1
"$python" -m pip --disable-pip-version-check install --quiet -r requirements.txt
"$python" -m mypy --strict --cache-dir /dev/null host.py check.py
"$python" check.py
