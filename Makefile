# verify never writes; fix repairs what a tool can repair. Every target installs what it needs.
SHELL := bash
.PHONY: verify fix test test-long test-cluster test-openapi test-tidb test-tidb-long bench bench-full bench-sync bench-pure bench-tables bench-cluster fuzz demo servers build ddl-report

build:            ## the three programs, optimised
	cargo build --release --bins

verify:           ## format, lints and the tidy test; changes nothing
	cargo fmt --check
	cargo clippy --all-targets --quiet -- -D warnings
	cargo test --quiet --test integration tidy::

fix:              ## format and repair lints
	cargo fmt
	cargo clippy --all-targets --fix --allow-dirty --allow-staged -- -D warnings

servers:          ## every release the tests run against (no service is started)
	scripts/servers.sh all

test: servers     ## all tests of every day: units, command goldens, scenarios and faults on real servers
	cargo test --no-fail-fast

ddl-report: servers ## DDL of every release followed and compared; writes docs/ddl-coverage.md
	DM_DDL_REPORT=1 cargo test --test integration schema:: -- --nocapture

test-long: servers ## 200 rounds of faults, and random workloads between all releases (about an hour and a half; ROUNDS, SEEDS)
	DM_FAULT_ROUNDS=$(or $(ROUNDS),200) cargo test --test integration faults::
	DM_REPLICATION_SEEDS=$(or $(SEEDS),3) cargo test --test integration replication::
	DM_RELEASES=all cargo test --test integration -- binlog:: rolled_back online::crashes:: ill_formed::
	DM_FOLD_EVERY=1 DM_TABLES=1000 cargo test --test integration -- folding:: many_tables
	DM_STREAM_ROUNDS=$(or $(ROUNDS),100) cargo test --test integration stream::kills:: -- --include-ignored --skip tidb
	DM_RELEASES=all cargo test --test integration -- stream::zoo:: stream::pairs:: hot_rows --include-ignored --skip tidb
	cargo test --test integration -- --ignored a_process_that_ends_at_any a_crash_at_every_place_and_a_switch a_stall_says a_full_disk every_release_is_dumped

test-cluster: servers ## three masters, three workers in namespaces, continuous writes: ROUNDS rounds of twenty faults (20), an upgrade from the commit FORMER, and 20,000 seeds of simulation
	DM_SCHEDULE_SEEDS=20000 DM_SIMULATION_SEEDS=20000 cargo test --lib -- scheduler:: schedule::
	DM_FORMER=$$(scripts/former.sh $(FORMER)) DM_CLUSTER_ROUNDS=$(or $(ROUNDS),20) \
	cargo test --test integration cluster:: -- --nocapture --include-ignored --test-threads 1

test-openapi: servers ## the HTTP API under requests made out of its document, with and without a source and a task (some minutes)
	scripts/openapi.sh

test-tidb:        ## the tests that need a tidb-server (built with Go, once): scenarios, random workloads, values, DDL, faults
	scripts/servers.sh all
	scripts/servers.sh tidb
	cargo test --test integration tidb -- --ignored

test-tidb-long:   ## random workloads, values, DDL and rounds of faults into TiDB, from every release (ROUNDS, SEEDS)
	scripts/servers.sh all
	scripts/servers.sh tidb
	DM_FAULT_ROUNDS=$(or $(ROUNDS),50) DM_REPLICATION_SEEDS=$(or $(SEEDS),3) DM_VALUE_SEEDS=$(or $(SEEDS),3) \
	cargo test --test integration into_tidb -- --ignored

bench:            ## rows/s, rows per CPU second and peak memory of a worker, full and incremental, one million rows
	scripts/servers.sh mariadb
	cargo build --release --bins --example bench
	target/release/examples/bench $(ARGS)

bench-full:       ## a full migration, files and stream, beside mydumper + myloader in the same run; ARGS: see examples/bench_full/main.rs
	scripts/servers.sh mariadb
	cargo build --release --bins --example bench_full
	target/release/examples/bench_full $(ARGS)

bench-sync:       ## sync catching up beside the server's own replica, and its lag; ARGS: see examples/bench_sync/main.rs
	scripts/servers.sh mariadb mariadb118
	cargo build --release --bins --example bench_sync
	target/release/examples/bench_sync $(ARGS)

bench-pure:       ## what needs no server: DDL parse, row images to SQL text, rules and expressions, beside other packages
	cargo build --release --example bench_pure
	target/release/examples/bench_pure $(ARGS)

bench-tables:     ## the structures of 20,000 tables out of a real MariaDB and a real MySQL: time, memory, queries
	scripts/servers.sh mariadb mysql
	cargo build --release --example bench
	target/release/examples/bench --tables 20000 $(ARGS)

bench-cluster:    ## three masters with 10, 100 and 1,000 sources and ten times as many subtasks, workers simulated; ARGS: see examples/bench_cluster/main.rs
	scripts/servers.sh mariadb
	cargo build --release --bins --example bench_cluster
	DM_HEARTBEAT=150ms target/release/examples/bench_cluster $(ARGS)

FUZZ_SECONDS ?= 60
fuzz:             ## every fuzz target for FUZZ_SECONDS each; needs a nightly toolchain (docs/fuzzing.md)
	scripts/fuzz.sh $(FUZZ_SECONDS) $(TARGETS)

demo:             ## a live migration before your eyes; ARGS=--keep leaves it running
	scripts/demo.sh $(ARGS)
