#!/usr/bin/env bash
# Builds the programs of a former commit, once, and prints their folder: what the test of an upgrade starts from.
set -euo pipefail
cd "$(dirname "$0")/.."
# The first whose stored settings have names (format 3).
commit=${1:-0628a5f}
into=$PWD/.dm/former/$commit
if [ ! -x "$into/dm-node" ]; then
  if ! git cat-file -e "$commit^{commit}"; then
    echo "commit $commit is not here; a shallow clone gets it by: git fetch --unshallow" >&2
    exit 1
  fi
  mkdir -p "$into/source"
  git archive "$commit" | tar -x -C "$into/source"
  (cd "$into/source" && CARGO_TARGET_DIR=$into/target cargo build --bins >&2)
  cp "$into/target/debug/dmctl" "$into/"
  cp "$into/target/debug/dm-node" "$into/dm-node.new"
  mv "$into/dm-node.new" "$into/dm-node"
  rm -rf "$into/target" "$into/source"
fi
echo "$into"
