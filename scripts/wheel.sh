#!/usr/bin/env bash
# Builds the wheel of the Python package into target/wheels and installs it into .venv. Needs scripts/setup.sh --full.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-$PWD/.venv/bin/python}
"$python" -c 'import torch, maturin' || { echo "wheel: torch or maturin is missing: run scripts/setup.sh --full" >&2; exit 2; }
rm -f target/wheels/carl_nas-*.whl
# The interpreter is named, so that no other one that is found first decides.
"$python" -m maturin build --release --quiet --interpreter "$python" --out target/wheels "$@"
"$python" -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall target/wheels/carl_nas-*.whl
