#!/usr/bin/env bash
# Runs fuzz targets for some seconds each and prints a line of what each did: `fuzz.sh 60 [target ...]`.
# Installs cargo-fuzz and a nightly toolchain when they are missing. Without a sanitizer: the code has no unsafe blocks,
# and panics, overflows and wrong results are found without one, twice as fast. A finding ends in fuzz/artifacts.
# Targets run in a network of their own that has nothing, not even the loopback: requests and files name hosts, and a
# master's handlers dial them. Where this machine lets nobody make one, targets that would dial are left out, and that fails.
set -euo pipefail
cd "$(dirname "$0")/../fuzz"
seconds=${1:-60}
shift || true
rustup toolchain list | grep -q nightly || rustup toolchain install nightly --profile minimal
command -v cargo-fuzz >/dev/null || cargo install cargo-fuzz --locked
targets=("$@")
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(cargo +nightly fuzz list)
cargo +nightly fuzz build --sanitizer none
alone=(unshare --net)
[ "$(id -u)" = 0 ] || alone=(unshare --net --map-root-user)
"${alone[@]}" true 2>/dev/null || alone=()
failed=0
for target in "${targets[@]}"; do
    mkdir -p "corpus/$target"
    dictionary=()
    case $target in
        ddl | rewrite) dictionary=(-dict=ddl.dict) ;;
        messages | gateway)
            if [ ${#alone[@]} = 0 ]; then
                printf '%-12s left out: no network namespace can be made here, and it would dial\n' "$target"
                failed=1
                continue
            fi
            ;;
    esac
    log=$(mktemp)
    if "${alone[@]}" cargo +nightly fuzz run --sanitizer none "$target" "corpus/$target" "seeds/$target" -- \
        -max_total_time="$seconds" -print_final_stats=1 -timeout=10 -rss_limit_mb=2048 "${dictionary[@]}" >"$log" 2>&1; then
        outcome=clean
    else
        outcome="FINDING (see below and fuzz/artifacts/$target)" failed=1
    fi
    runs=$(grep -oE 'number_of_executed_units: *[0-9]+' "$log" | grep -oE '[0-9]+$' || echo '?')
    cover=$(grep -oE 'cov: [0-9]+' "$log" | tail -1 | grep -oE '[0-9]+' || echo '?')
    printf '%-12s %12s executions in %s s, %s places covered, %s\n' "$target" "$runs" "$seconds" "$cover" "$outcome"
    [ "$outcome" = clean ] || tail -40 "$log"
    rm -f "$log"
done
exit $failed
