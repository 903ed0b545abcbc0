# verify never writes; fix repairs what a tool can repair. Every target installs what it needs.
SHELL := bash
.PHONY: verify fix test test-long test-tidb bench demo servers build ddl-report

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

test-long: servers ## the same with more rounds of faults
	DM_FAULT_ROUNDS=100 cargo test --test integration faults::

test-tidb:        ## the tests that need a tidb-server (built with Go, once)
	scripts/servers.sh tidb mariadb mysql
	cargo test --test integration tidb_ -- --ignored

bench:            ## rows/s, rows per CPU second and peak memory of a worker, full and incremental, one million rows
	scripts/servers.sh mariadb
	cargo build --release --bins --example bench
	target/release/examples/bench $(ARGS)

demo:             ## a live migration before your eyes; ARGS=--keep leaves it running
	scripts/demo.sh $(ARGS)
