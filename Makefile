# Utilidor's everyday commands.
#
#   make demo              play a year of the Huadian park, then stay up with the HTTP interface until stopped
#   make demo DAYS=31      play a month
#   make demo EXIT=1       end after the report; status 0 only if every check of it held
#   make demo MEMBERS=4 DAYS=31
#                          on four members, each a process of its own: one is killed and comes back, an organisation joins;
#                          with COMPARE=1 the same days are played on one member too, and all that is billed compared
#   make demo WIRE_DAYS=7 WIRE_FAULTS=1
#                          so many days' readings over simulated buses (31 if not said, 0 none), with what goes wrong on them
#   make demo FRESH=1      start over; without it, an interrupted demonstration goes on where it was
#   make network           four members and a follower on this machine, until interrupted (MEMBERS=, FOLLOWERS=)
#   make test              all tests
#   make hostile ACTIONS=10000000
#                          hostile members play that many actions, from SEED on; every finding names its seed
#   make hostile-programs EXECUTIONS=10000000
#                          hostile programs are run by the ledger so often, from SEED on; every finding names its seed
#   make oracle MODULES=100000
#                          other engines (wasmtime, and V8 by Node) say what ours says of so many modules, from SEED on
#   make simulate HOURS=8  consortia under faults and hostile members, one seed after the other from SEED on; BLOCKS=200000 ends it
#                          after as many blocks with transactions, RUNS=1 after one seed; REPORT=file keeps the report as JSON;
#                          with CUTS=1 power or network is cut for minutes to hours in each;
#                          interrupted, it reports what was done so far. Every failure names its seed
#   make flips FLIPS=20000 a bit of a node's stores is flipped, the node is started and asked for everything, so often; then one of a read
#                          model, INDEX_FLIPS=2000 times; goes on where it stopped (data/flips*.log), and ends with what came of it by
#                          kind of file
#   make crashes           a simulated node's machine ends at each storage operation of a scenario of more than 10,000; goes on where
#                          it stopped (data/crashes.log); a slice of its runs with FROM= and RUNS=
#   make week              the gateway reads 10,000 simulated meters for a week with all that goes wrong in one
#   make deny              licences, bans and sources of what the workspace depends on (cargo-deny; deny.toml)
#   make wasm              what also runs in a browser compiles for it
#   make web               build the client app anew into web/dist (Node 20 or later); the binary carries what lies there
#   make web-test          the app's journeys in a browser, on a real node
#   make contracts         build the contracts' modules anew (contracts/*/contract.wasm), which tests run
#   make assemblyscript    the same for those in AssemblyScript, and hold its SDK against the Rust one (Node 20 or later)

# Of commands that hand on to each other, the first that fails fails all.
SHELL := bash
.SHELLFLAGS := -o pipefail -c

DAYS ?= 365
DATA ?= ./data/demo
FOLLOWERS ?= 1
NETWORK ?= ./data/network
LISTEN ?= 127.0.0.1:4680
ACTIONS ?= 1000000
EXECUTIONS ?= 1000000
FLIPS ?= 20000
INDEX_FLIPS ?= 2000
FROM ?= 0
SEED ?= 0
CARGO ?= cargo
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)

demo_options := --days $(DAYS) --data $(DATA) --listen $(LISTEN)
ifneq ($(filter-out 0 no,$(FRESH)),)
demo_options += --fresh
endif
ifneq ($(WIRE_DAYS),)
demo_options += --wire-days $(WIRE_DAYS)
endif
ifneq ($(filter-out 0 no,$(WIRE_FAULTS)),)
demo_options += --wire-faults
endif
ifneq ($(MEMBERS),)
demo_options += --members $(MEMBERS)
endif
ifneq ($(filter-out 0 no,$(COMPARE)),)
demo_options += --compare
endif
ifneq ($(filter-out 0 no,$(EXIT)),)
demo_options += --exit
endif

.PHONY: help demo network build test hostile hostile-programs oracle simulate flips crashes week deny wasm contracts contracts-check assemblyscript assemblyscript-check web web-check web-test

help:
	@sed -n 's/^#   //p' $(firstword $(MAKEFILE_LIST))

build:
	$(CARGO) build --release --locked --package utilidor-cli --bin utilidor

demo: build
	$(TARGET_DIR)/release/utilidor demo $(demo_options)

network: build
	$(TARGET_DIR)/release/utilidor network local --members $(or $(MEMBERS),4) --followers $(FOLLOWERS) --data $(NETWORK)

# One profile for everything, the year included: overflow checks are on in it.
# What people do in the app comes last, on the node that the tests have built: every journey, and every page in two layouts, whose
# pictures are kept in target/tour. Installs Chromium and Node.
test:
	$(CARGO) fmt --all --check
	$(CARGO) test --release --workspace --locked
	SHOTS=$(TARGET_DIR)/tour bash web/tests/run $(TARGET_DIR)/release/utilidor short

hostile:
	HOSTILE_ACTIONS=$(ACTIONS) HOSTILE_SEED=$(SEED) $(CARGO) test --release --locked --package utilidor-ledger --test hostile -- \
		--ignored --exact --nocapture hostile_members_for_long

hostile-programs:
	HOSTILE_EXECUTIONS=$(EXECUTIONS) HOSTILE_SEED=$(SEED) $(CARGO) test --release --locked --package utilidor-ledger \
		--test hostile_programs -- --ignored --exact --nocapture hostile_programs_for_long

# In its own workspace, so that nobody else builds other engines. Clause sheets come after the modules: the native program that runs
# them, and itself as WebAssembly. NODE_FLAGS reaches V8, such as --no-liftoff.
MODULES ?= 10000
STORIES ?= 1000
oracle: export CC_wasm32_unknown_unknown ?= $(shell command -v clang || command -v clang-14)
oracle: export CARGO_TARGET_DIR := $(abspath $(TARGET_DIR))/oracle
oracle:
	cd fuzz/oracle && $(CARGO) build --locked --release --lib --target wasm32-unknown-unknown -p utilidor-oracle-clauses
	cd fuzz/oracle && $(CARGO) run --locked -- modules $(MODULES) $(SEED) $(NODE_FLAGS)
	cd fuzz/oracle && $(CARGO) run --locked -- clauses \
		$(CARGO_TARGET_DIR)/wasm32-unknown-unknown/release/utilidor_oracle_clauses.wasm $(STORIES) $(SEED)

# The binary is found before it is run, so that an interrupt reaches it and not cargo, which would not wait for its report.
simulate: export SIMULATE_HOURS = $(HOURS)
simulate: export SIMULATE_BLOCKS = $(BLOCKS)
simulate: export SIMULATE_RUNS = $(RUNS)
simulate: export SIMULATE_SEED = $(SEED)
simulate: export SIMULATE_CUTS = $(CUTS)
simulate: export SIMULATE_REPORT = $(abspath $(REPORT))
simulate: export SIMULATE_COMMIT = $(shell git describe --always --dirty --abbrev=12 2>/dev/null)
simulate:
	@binary=$$($(CARGO) test --release --locked --package utilidor-chain --lib --no-run --message-format json-render-diagnostics \
		| sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -n 1) && test -n "$$binary" && \
		exec "$$binary" --ignored --exact --nocapture simulation::suite::the_consortium_for_long

flips:
	@mkdir -p data && touch data/flips.log data/flips-index.log
	@done=$$(grep -c '^flip ' data/flips.log); echo "$$done of $(FLIPS) are done"; test $$done -ge $(FLIPS) || \
		UTILIDOR_FROM=$$done UTILIDOR_FLIPS=$$(($(FLIPS) - done)) $(CARGO) test --release --locked --package utilidor-chain --test flips \
		-- --ignored --nocapture many_flipped_bits_are_never_wrong_answers | tee -a data/flips.log
	@done=$$(grep -c '^flip ' data/flips-index.log); echo "$$done of $(INDEX_FLIPS) in indices are done"; test $$done -ge $(INDEX_FLIPS) || \
		UTILIDOR_FROM=$$done UTILIDOR_FLIPS=$$(($(INDEX_FLIPS) - done)) $(CARGO) test --release --locked --package utilidor-index --test flips \
		-- --ignored --nocapture many_flipped_bits_of_an_index | tee -a data/flips-index.log
	@sed -n 's/^flip [0-9]*: \([^/,]*\)[^,]*, byte [0-9]*, bit [0-9]: \(.*\)$$/\1: \2/p' data/flips.log data/flips-index.log | sort | uniq -c
	@! grep -E '^flip .*: (Wrong|Stands)$$' data/flips.log

# A slice (FROM=, RUNS=) has a log of its own, so that several may be under way. A run that was interrupted is played again.
crash_log = data/crashes$(if $(filter-out 0,$(FROM)),-$(FROM)).log
crashes:
	@mkdir -p data && touch $(crash_log)
	@done=$$(grep -c '^run ' $(crash_log)); from=$$(($(or $(FROM),0) + done)); runs=$(RUNS); echo "from run $$from on"; \
		UTILIDOR_FROM=$$from UTILIDOR_RUNS=$${runs:+$$((runs > done ? runs - done : 0))} $(CARGO) test --release --locked --package utilidor-chain --lib \
		-- --ignored --exact --nocapture simulation::crashes::a_member_goes_on_after_its_machine_has_ended_at_any_operation | tee -a $(crash_log)
	@sort -u $(crash_log) | sed -n 's/^point .*: \([^:]*\)$$/\1/p' | sort | uniq -c
	@! grep -E '^point .*: (went on alone|FAILED)$$' $(crash_log)

week:
	$(CARGO) test --release --workspace --locked --test week -- --ignored

# What is known against the libraries' versions changes from day to day, and its database is not everybody's to reach.
deny:
	$(CARGO) deny check licenses bans sources
	if $(CARGO) deny fetch db; then $(CARGO) deny check --disable-fetch advisories; else echo "advisories: not checked"; fi

# Build scripts of two libraries compile C, of which nothing stays in the result. Needs the target (rustup target add
# wasm32-unknown-unknown) and clang.
wasm: export CC_wasm32_unknown_unknown ?= $(shell command -v clang || command -v clang-14)
wasm:
	$(CARGO) check --locked --target wasm32-unknown-unknown -p utilidor-types -p utilidor-program -p utilidor-proof
	$(CARGO) check --locked --target wasm32-unknown-unknown -p utilidor-sdk --no-default-features
	$(CARGO) check --locked --target wasm32-unknown-unknown -p utilidor-sdk --no-default-features --features random,key-files
	$(CARGO) check --locked --target wasm32-unknown-unknown -p utilidor-browser

# Two builds of one commit by one toolchain are the same to the last byte: no path of the machine is left in the module.
wasm_paths := --remap-path-prefix=$(or $(CARGO_HOME),$(HOME)/.cargo)/registry/src=/registry \
	--remap-path-prefix=$(CURDIR)=/utilidor --remap-path-prefix=$(shell rustc --print sysroot)/lib/rustlib/src/rust=/rustc
wasm_module := $(TARGET_DIR)/wasm32-unknown-unknown/wasm/utilidor_browser.wasm

web: export CC_wasm32_unknown_unknown ?= $(shell command -v clang || command -v clang-14)
web: export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS = -C target-feature=+simd128 $(wasm_paths)
web:
	$(CARGO) build --locked --target wasm32-unknown-unknown --profile wasm -p utilidor-browser --lib
	$(CARGO) run --locked -p utilidor-bindgen --features make-web -- $(wasm_module) web/src/wasm
	cd web && npm ci --no-audit --no-fund && npm run types && npm run check && npm test && npm run build
	rustc --version > web/dist/rustc

# The committed app is what its source makes. Another compiler makes other bytes, which says nothing.
web-check: web
	@if git diff --quiet HEAD -- web/dist; then echo "web/dist is what web makes"; \
	elif [ "$$(git show HEAD:web/dist/rustc)" != "$$(rustc --version)" ]; then echo "not compared: web/dist was made by $$(git show HEAD:web/dist/rustc)"; \
	else git diff --stat HEAD -- web/dist; exit 1; fi

web-test: build
	bash web/tests/run $(TARGET_DIR)/release/utilidor

# As `utilidor program build` does it: a small stack, no names of paths, one unit of code.
contract_modules := $(TARGET_DIR)/wasm32-unknown-unknown/release
contract_names := $(patsubst contracts/%/manifest.json,%,$(wildcard contracts/*/manifest.json))

contracts: export RUSTFLAGS = -Clink-arg=-zstack-size=32768 -Cstrip=symbols $(wasm_paths)
contracts: export CARGO_PROFILE_RELEASE_LTO = true
contracts: export CARGO_PROFILE_RELEASE_PANIC = abort
contracts: export CARGO_PROFILE_RELEASE_CODEGEN_UNITS = 1
contracts:
	$(CARGO) build --locked --release --lib --target wasm32-unknown-unknown $(addprefix -p contract-,$(contract_names))
	for name in $(contract_names); do \
		install -m 644 $(contract_modules)/contract_$$(echo $$name | tr - _).wasm contracts/$$name/contract.wasm || exit 1; done
	rustc --version > contracts/rustc

# The committed modules are what their sources make. Another compiler makes other bytes, which says nothing.
contracts-check: contracts
	@if git diff --quiet HEAD -- contracts; then echo "contracts' modules are what their sources make"; \
	elif [ "$$(git show HEAD:contracts/rustc)" != "$$(rustc --version)" ]; then echo "not compared: made by $$(git show HEAD:contracts/rustc)"; \
	else git diff --stat HEAD -- contracts; exit 1; fi

# The compiler is pinned by package-lock.json, so its bytes are the same everywhere.
assemblyscript:
	cd sdk/assemblyscript && npm ci --no-audit --no-fund && npm test && npm run contract

assemblyscript-check: assemblyscript
	@if git diff --quiet HEAD -- contracts; then echo "the modules in AssemblyScript are what their sources make"; \
	else git diff --stat HEAD -- contracts; exit 1; fi
