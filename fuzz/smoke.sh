#!/bin/sh
# Runs the fuzz targets for a few seconds each: `fuzz/smoke.sh [SECONDS]` (default 10). Safe to repeat.
# Needs a C++ compiler, and a nightly toolchain or permission to use its options with the stable one; installs cargo-fuzz with cargo if it is missing.
# With ALL=1 it also runs the parties' programs, which CI does not run yet.
# With PROOF=1 it also runs decode_bill, which takes minutes to build.
# A failure prints the command that replays it; its input is kept in fuzz/artifacts.
# No sanitizer: the crates forbid unsafe code, and what is looked for are panics, overflows and disagreement.
set -eu
cd "$(dirname "$0")"
seconds=${1:-10}
command -v cargo-fuzz >/dev/null || cargo install cargo-fuzz --version 0.13.2 --locked

toolchain=+nightly
if ! cargo +nightly --version >/dev/null 2>&1; then
    toolchain=
    export RUSTC_BOOTSTRAP=1
fi

run() {
    target=$1
    shift
    mkdir -p "corpus/$target"
    cargo $toolchain fuzz run --fuzz-dir . --sanitizer none "$@" "$target" "corpus/$target" -- \
        -max_total_time="$seconds" -max_len=4096 -rss_limit_mb=2048 -timeout=20
}

# Frames of real devices to begin with.
seed() {
    mkdir -p "corpus/$1"
    tail -n +2 ../crates/gateway/tests/data/frames.tsv | cut -f2 | while read -r frame; do
        printf '%s' "$frame" | perl -0777 -ne 'print pack "H*", $_' > "corpus/$1/$frame"
    done
}

run decode_transaction
run decode_block_parts
run ledger_actions
# What devices send: random bytes, frames of real devices changed in places, lengths that lie, bytes that drip in.
seed meter_frames
run meter_frames
run device_record
if [ "${ALL:-0}" = 1 ]; then
    run program
fi
if [ "${PROOF:-0}" = 1 ]; then
    run decode_bill --features proof
fi
