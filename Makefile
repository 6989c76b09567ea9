# Utilidor's everyday commands.
#
#   make demo              play a year of the Huadian park, then stay up with the HTTP interface until stopped
#   make demo DAYS=31      play a month
#   make demo EXIT=1       end after the report; status 0 only if every check of it held
#   make demo FRESH=1      start over; without it, an interrupted demonstration goes on where it was
#   make network           four members and a follower on this machine, until interrupted (MEMBERS=, FOLLOWERS=)
#   make test              all tests
#   make wasm              what also runs in a browser compiles for it

DAYS ?= 365
DATA ?= ./data/demo
MEMBERS ?= 4
FOLLOWERS ?= 1
NETWORK ?= ./data/network
LISTEN ?= 127.0.0.1:4680
CARGO ?= cargo
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)

demo_options := --days $(DAYS) --data $(DATA) --listen $(LISTEN)
ifneq ($(filter-out 0 no,$(FRESH)),)
demo_options += --fresh
endif
ifneq ($(filter-out 0 no,$(EXIT)),)
demo_options += --exit
endif

.PHONY: help demo network build test wasm

help:
	@sed -n 's/^#   //p' $(firstword $(MAKEFILE_LIST))

build:
	$(CARGO) build --release --locked --package utilidor-cli --bin utilidor

demo: build
	$(TARGET_DIR)/release/utilidor demo $(demo_options)

network: build
	$(TARGET_DIR)/release/utilidor network local --members $(MEMBERS) --followers $(FOLLOWERS) --data $(NETWORK)

# One profile for everything, the year included: overflow checks are on in it.
test:
	$(CARGO) fmt --all --check
	$(CARGO) test --release --workspace --locked

# Build scripts of two libraries compile C, of which nothing stays in the result. Needs the target (rustup target add
# wasm32-unknown-unknown) and clang.
wasm: export CC_wasm32_unknown_unknown ?= $(shell command -v clang || command -v clang-14)
wasm:
	$(CARGO) check --locked --target wasm32-unknown-unknown -p utilidor-types -p utilidor-program -p utilidor-proof
	$(CARGO) check --locked --target wasm32-unknown-unknown -p utilidor-sdk --no-default-features
	$(CARGO) check --locked --target wasm32-unknown-unknown -p utilidor-sdk --no-default-features --features random,key-files
