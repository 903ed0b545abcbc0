#!/usr/bin/env bash
# openapi.sh: requests that schemathesis makes out of the HTTP API's document, against a node with a real source and task
# (tests/http_api.rs). Installs schemathesis once, in a Python environment of the project's own below .dm. Runs in a network
# of its own that has nothing but the loopback: a request may name any host, and the node would dial it.
# DM_EXAMPLES: requests that are made at random for each operation in each round (25).
set -euo pipefail
cd "$(dirname "$0")/.."
VERSION=4.32.5
home=$PWD/.dm/schemathesis-$VERSION
if [ ! -e "$home/ready" ]; then
    command -v python3 >/dev/null || { echo "openapi: schemathesis needs python3 with its venv module" >&2; exit 1; }
    rm -rf "$home"
    python3 -m venv "$home"
    "$home/bin/python" -m pip install --quiet --disable-pip-version-check "schemathesis==$VERSION"
    touch "$home/ready"
fi
alone=(unshare --net)
[ "$(id -u)" = 0 ] || alone=(unshare --net --map-root-user)
"${alone[@]}" true || { echo "openapi: this needs the right to make a network namespace (root, or user namespaces)" >&2; exit 1; }
cargo test --no-run --test integration
export DM_SCHEMATHESIS=$home/bin/schemathesis
exec "${alone[@]}" bash -c 'ip link set lo up; exec cargo test --offline --test integration http_api:: -- --ignored --nocapture'
