#!/usr/bin/env bash
# Set-up, then all tests. Tests on the benchmark tables run where CARL_SHARED (default ../shared) has them.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh
cargo test --release --locked "$@"
