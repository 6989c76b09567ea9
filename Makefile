# Utilidor's everyday commands.
#
#   make demo              play a year of the Huadian park, then stay up with the HTTP interface until stopped
#   make demo DAYS=31      play a month
#   make demo EXIT=1       end after the report; status 0 only if every check of it held
#   make demo FRESH=1      start over; without it, an interrupted demonstration goes on where it was
#   make test              all tests

DAYS ?= 365
DATA ?= ./data/demo
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

.PHONY: help demo build test

help:
	@sed -n 's/^#   //p' $(firstword $(MAKEFILE_LIST))

build:
	$(CARGO) build --release --locked --package utilidor-cli --bin utilidor

demo: build
	$(TARGET_DIR)/release/utilidor demo $(demo_options)

# One profile for everything, the year included: overflow checks are on in it.
test:
	$(CARGO) fmt --all --check
	$(CARGO) test --release --workspace --locked
