#!/usr/bin/env bash
# Feeds every reader mutated files: no panic, no hang (10 s), no allocation over 64 MiB.
#   scripts/fuzz.sh [RUNS] [TARGET ...]      default: 1,000,000 runs of every target
# Needs `cargo install cargo-fuzz`.
set -euo pipefail
cd "$(dirname "$0")/.."
runs=${1:-1000000}
targets=("${@:2}")
if [ ${#targets[@]} -eq 0 ]; then
  targets=(pickle tfrecord architecture table json torch_file onnx file)
fi
cargo test --release --no-default-features --features internals --test hostile -- --ignored corpus
# libFuzzer's instruments need flags that a stable compiler takes only with this.
export RUSTC_BOOTSTRAP=1
if [ -d /dev/shm ]; then export TMPDIR=/dev/shm; fi
for target in "${targets[@]}"; do
  cargo fuzz run --fuzz-dir tests/fuzz "$target" -- -runs="$runs" -timeout=10 -malloc_limit_mb=64 -rss_limit_mb=1024 \
    -max_len=65536 -print_final_stats=1 2> >(grep -E "stat::|ERROR|panicked|SUMMARY|deadly" >&2)
  echo "$target: $runs runs without a finding"
done
