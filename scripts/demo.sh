#!/usr/bin/env bash
# demo.sh [--keep] [--rows N]: two sources, a target, a node, a million rows and writers; see examples/demo.rs.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v apt-get >/dev/null && ! command -v mariadbd >/dev/null; then
  if command -v docker >/dev/null && docker compose version >/dev/null 2>&1; then
    exec docker compose -f scripts/demo-compose.yaml run --rm demo "$@"
  fi
  echo "The demo needs a MariaDB server (mariadbd, mariadb-install-db) and its client on the PATH, or Docker Compose." >&2
  exit 1
fi
command -v cargo >/dev/null || { echo "The demo builds with cargo: install the Rust toolchain first (rustup)." >&2; exit 1; }
scripts/servers.sh mariadb
echo "Building (the first time takes a few minutes) ..."
cargo build --release --quiet --bins --example demo
exec target/release/examples/demo "$@"
