#!/usr/bin/env bash
# Set-up, then all tests. Those of whole benchmarks are ignored by default; they need the published tables in a folder of CARL_DATA:
#   CARL_DATA=FOLDER scripts/test.sh --lib whole -- --ignored
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh
cargo test --release --locked --features internals "$@"
