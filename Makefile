# Tallystick: `make help` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

BUILD := build
PYTHON ?= python3.11
GO_SOURCES := $(shell find core wasm cshared -name '*.go' -not -name '*_test.go') go.mod go.sum cshared/exports.map
WASM := $(BUILD)/wasm/tallystick.wasm
LIBRARY := $(BUILD)/cshared/libtallystick.so

export GOFLAGS := -buildvcs=false -trimpath

.PHONY: wasm
wasm: $(WASM) ## build the WebAssembly module
$(WASM): $(GO_SOURCES)
	@mkdir -p $(@D)
	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -ldflags="-s -w" -o $@ ./wasm

.PHONY: cshared
cshared: $(LIBRARY) ## build the C library
$(LIBRARY): $(GO_SOURCES) cshared/tallystick.h
	@mkdir -p $(@D)
	CGO_ENABLED=1 go build -buildmode=c-shared -ldflags='-s -w -extldflags "-Wl,-soname,libtallystick.so.1 -Wl,--version-script=$(CURDIR)/cshared/exports.map -Wl,-z,nodelete"' -o $@ ./cshared
	@rm -f $(BUILD)/cshared/libtallystick.h && cp cshared/tallystick.h $(BUILD)/cshared/
