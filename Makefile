# Each line is a command that you could type. What is needed: a Rust toolchain and Python 3.

.PHONY: demo test soak bench lint tools nats-server clean

# Starts NATS and Muster, lets Okta and Entra provision, and keeps serving until Ctrl-C.
demo: nats-server
	cargo build --quiet --bin muster --example demo
	cargo run --quiet --example demo

# Everything that CI checks. nextest is used where it is installed.
test: lint tools
	if cargo nextest --version >/dev/null 2>&1; then cargo nextest run --workspace; else cargo test --workspace --tests; fi
	cargo test --workspace --doc

# The fault runs with their full counts, in an optimised build; needs nextest. One line for each class, again at the
# end. `make soak SOAK_ROUNDS=20` does less, `SOAK_SEED=…` repeats what a line tells, `SOAK_ONLY=crash` names tests.
soak: nats-server
	@mkdir -p target && rm -f target/soak.txt
	SOAK_ROUNDS=$(or $(SOAK_ROUNDS),full) SOAK_REPORT=$(CURDIR)/target/soak.txt \
		cargo nextest run --profile soak --cargo-profile soak --test it $(if $(SOAK_ONLY),-E 'test($(SOAK_ONLY))'); \
		ended=$$?; cat target/soak.txt 2>/dev/null; exit $$ended

# What docs/performance.md promises, measured: `make bench`, `make bench BENCH=quick`, `make bench ONLY=get,create`.
BENCH ?= full
ONLY ?=
bench: nats-server
	cargo build --quiet --release --package muster --package bench
	cargo run --quiet --release --package bench -- --scale $(BENCH) --only=$(ONLY)

# Form, lints and documentation, with warnings as errors. The documentation is for those who change the code: it
# shows private items, so links to them are welcome.
lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings -A rustdoc::private-intra-doc-links" cargo doc --workspace --no-deps --document-private-items

# Fetches what tests need into .tools/: the nats-server, which the demo uses too, and the conformance suites.
tools: nats-server
	python3 tools/fetch_suites.py

nats-server:
	python3 tools/fetch_nats_server.py

# Removes everything that was built or fetched.
clean:
	cargo clean
	rm -rf .tools
