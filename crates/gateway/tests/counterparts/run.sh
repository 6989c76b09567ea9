#!/bin/sh
# Tests the gateway against programs that others wrote: crates/gateway/tests/counterparts/run.sh
# Installs what is missing: mosquitto, its clients, mbpoll and Node as Debian's packages, and Python's and Node's packages into a
# folder of their own. Safe to repeat. Nothing is skipped: what cannot be installed or started fails.
set -eu
cd "$(dirname "$0")/../../../.."
venv=${COUNTERPARTS:-${CARGO_TARGET_DIR:-target}/counterparts}

.ci/install mosquitto mosquitto_pub=mosquitto-clients mbpoll node=nodejs npm
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/pip" install -q --disable-pip-version-check -r crates/gateway/tests/counterparts/requirements.txt

mkdir -p "$venv/ocmf"
cp crates/gateway/tests/counterparts/package.json crates/gateway/tests/counterparts/package-lock.json \
    crates/gateway/tests/counterparts/verify.cjs "$venv/ocmf"
npm ci --prefix "$venv/ocmf" --no-audit --no-fund --loglevel error

COUNTERPARTS=$(cd "$venv" && pwd)
export COUNTERPARTS
PATH="$PATH:/usr/sbin"
export PATH
exec ${CARGO:-cargo} test --release --workspace --locked --test programs -- --ignored "$@"
