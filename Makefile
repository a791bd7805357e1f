# Tallystick: `make help` lists the targets. Everything that is built or installed
# lies in build/ and bindings/node/node_modules.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

BUILD := build
WASM := $(BUILD)/wasm/tallystick.wasm
LIBRARY := $(BUILD)/cshared/libtallystick.so
VENV := $(BUILD)/venv
VENV_PYTHON := $(VENV)/bin/python
PYTHON ?= $(shell command -v python3.11 || command -v python3)
CC ?= gcc
NODE_DIR := bindings/node
MCP := conformance/mcp
PEOPLE := conformance/people
PYTHON_DIR := bindings/python
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
ACTIONLINT := github.com/rhysd/actionlint/cmd/actionlint@v1.7.12

GO_SOURCES := $(shell find core wasm cshared -name '*.go' -not -name '*_test.go') go.mod go.sum cshared/exports.map $(wildcard cshared/*.c)
PYTHON_SOURCES := $(shell find $(PYTHON_DIR)/src $(PYTHON_DIR)/pyproject.toml $(PYTHON_DIR)/hatch_build.py -type f -not -path '*/_lib/*' -not -name '*.pyc' 2>/dev/null)
NODE_SOURCES := $(shell find $(NODE_DIR)/src $(NODE_DIR)/scripts -type f 2>/dev/null) $(NODE_DIR)/package.json $(NODE_DIR)/tsconfig.json $(NODE_DIR)/tsconfig.portable.json

export GOFLAGS := -buildvcs=false -trimpath
export TALLYSTICK_LIBRARY := $(CURDIR)/$(LIBRARY)

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1\t\2/' | expand -t 24

## ---- build

.PHONY: wasm cshared
wasm: $(WASM) ## build the WebAssembly module
# wasm/gcflags: packages that are little of a request's work are not inlined, for the module's size.
$(WASM): $(GO_SOURCES) wasm/gcflags
	@mkdir -p $(@D)
	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -ldflags="-s -w" $$(cat wasm/gcflags) -o $@ ./wasm

cshared: $(LIBRARY) ## build the C library
# The version script exports tally_* alone; nodelete: a Go runtime cannot be unloaded.
$(LIBRARY): $(GO_SOURCES) cshared/tallystick.h
	@mkdir -p $(@D)
	CGO_ENABLED=1 go build -buildmode=c-shared -ldflags='-s -w -extldflags "-Wl,-soname,libtallystick.so.1 -Wl,--version-script=$(CURDIR)/cshared/exports.map -Wl,-z,nodelete"' -o $@ ./cshared
	@rm -f $(@D)/libtallystick.h
	@cp cshared/tallystick.h $(@D)/
	@ln -sf libtallystick.so $(@D)/libtallystick.so.1

.PHONY: command
command: ## build the command line tool, build/tallystick
	CGO_ENABLED=0 go build -ldflags='-s -w' -o $(BUILD)/tallystick ./cmd/tallystick

# Two Python installs or two packings must not build at the same time.
.PHONY: python
python: $(VENV)/.installed ## install the Python package and what its tests need into build/venv
$(VENV)/.requirements: $(PYTHON_DIR)/requirements-dev.txt
	@test -n "$(PYTHON)" || { echo "make: no python3 found: install Python 3.10 or later" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(VENV_PYTHON) -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@
$(VENV)/.installed: $(VENV)/.requirements $(WASM) $(LIBRARY) $(PYTHON_SOURCES)
	$(VENV_PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall ./$(PYTHON_DIR)
	@touch $@

.PHONY: node
node: $(NODE_DIR)/dist/.built ## install what the Node package's tests need and build the package
$(NODE_DIR)/node_modules/.package-lock.json: $(NODE_DIR)/package-lock.json
	cd $(NODE_DIR) && npm ci --no-audit --no-fund --loglevel=error
	@touch $@
$(NODE_DIR)/dist/.built: $(NODE_DIR)/node_modules/.package-lock.json $(WASM) $(NODE_SOURCES)
	cd $(NODE_DIR) && npm run --silent build
	@touch $@

## ---- try

.PHONY: demo
demo: python node ## run agents, callers and authorities of all languages against each other
	@CGO_ENABLED=0 go build -o $(BUILD)/demo/ ./cmd/demo/signed_requests/goagent ./cmd/demo/signed_requests/goorchestrator
	@$(VENV_PYTHON) cmd/demo/demo.py

## ---- test

# Tests wait for processes of theirs as much as they compute: one more than there are processors.
JOBS ?= $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) + 1)))
PYTEST := $(CURDIR)/$(VENV_PYTHON) -m pytest -q --numprocesses $(JOBS) --dist worksteal

.PHONY: quick quick-go quick-conformance quick-python quick-node
quick: python node ## the tests that take less than a minute in all, in parallel: after every change
	@$(MAKE) -j2 --output-sync=target quick-python quick-node quick-go quick-conformance
	@echo "make quick: passed"
# The suite's own tools, real servers, and wazero's compiling take as long as all other packages:
# make test. make check vets, and a test without symbols is linked in half the time.
quick-go:
	go test -vet=off -ldflags='-s -w' $$(go list ./... | grep -vE 'conformance/(conformancetest|generate|mutation|parity|peers|runner)$$|/wasm$$|bindings/go/stor|cmd/tallystick$$')
quick-conformance:
	@go build -o $(BUILD)/conformance/conformance ./conformance/cmd/conformance
	@$(BUILD)/conformance/conformance --leg go --reference go --out $(BUILD)/conformance/quick
quick-python:
	cd $(PYTHON_DIR) && $(PYTEST) --numprocesses 2 -m "not medium and not slow"
quick-node:
	cd $(NODE_DIR) && npm test --silent -- --quick --reporter=dot

.PHONY: test test-go test-c test-python test-node test-docs conformance
test: test-go test-c test-python test-node test-docs peers-check fuzz-parity conformance-languages ## all tests but the slow ones, and the vectors on one leg of each language
	@echo "make test: passed"

# wazero compiles the module for this machine, which takes a minute under the race detector, and
# webagents has an environment of its own: test-go-slow.
test-go: python node setup-servers ## run the Go tests with the race detector
	go vet ./...
	go test -race -skip '^TestWazeroAnswersLikeTheCore$$' ./...

.PHONY: test-oldest-go
# go.mod asks for the oldest Go that works, not for the one that is installed.
test-oldest-go: ## test the Go package and the command with the oldest Go, which go downloads
	GOTOOLCHAIN=go$$(sed -n 's/^go //p' go.mod) go test ./core/... ./bindings/go ./cmd/tallystick/...

test-c: $(BUILD)/c-example ## compile and run the C example, under valgrind where it is installed
	$(BUILD)/c-example
	@if command -v valgrind >/dev/null; then \
		valgrind --quiet --suppressions=cshared/example/valgrind.supp --leak-check=full --show-leak-kinds=definite,indirect --errors-for-leak-kinds=definite,indirect --error-exitcode=9 $(BUILD)/c-example && echo "valgrind: nothing lost"; \
	else echo "valgrind: not installed, so lost memory was not looked for"; fi
$(BUILD)/c-example: cshared/example/example.c cshared/tallystick.h $(LIBRARY)
	$(CC) -std=c11 -D_POSIX_C_SOURCE=200809L -Wall -Wextra -Werror -I cshared -o $@ $< $(LIBRARY) -Wl,-rpath,'$$ORIGIN/cshared'

test-python: python node setup-servers ## run the Python tests that are not slow
	cd $(PYTHON_DIR) && $(PYTEST) -m "not slow"

test-node: node $(LIBRARY) setup-servers ## run the Node tests that are not slow
	cd $(NODE_DIR) && npm test --silent
	node --test conformance/drivers/node/life.test.mjs

test-docs: python node $(LIBRARY) ## play every page as it is printed, and run the examples of the reference
	$(PYTEST) -c $(PYTHON_DIR)/pyproject.toml --rootdir . -m "not slow" cmd/docs

.PHONY: test-go-slow
WEBAGENTS := $(PYTHON_DIR)/tests/webagents_env/environment.py
test-go-slow: ## run the Go tests with wazero's compiler and against the real webagents
	go test -run Wazero ./conformance/runner
	@python=$$($(PYTHON) $(WEBAGENTS) --theirs-alone); \
	echo "go test -race -run Webagents ./bindings/go"; \
	TALLYSTICK_WEBAGENTS_PYTHON=$$python go test -count=1 -race -run Webagents ./bindings/go

.PHONY: test-slow
# What is not installed is said; the legs that are there run.
test-slow: python node $(LIBRARY) setup-servers test-go-slow $(MCP)/node_modules/.package-lock.json ## what starts servers for long, installs packages, or needs other runtimes; all legs
	$(MAKE) test-oldest-go
	cd $(PYTHON_DIR) && $(PYTEST) -m slow
	$(PYTEST) -c $(PYTHON_DIR)/pyproject.toml --rootdir . -m slow cmd/docs conformance/mcp
	cd $(NODE_DIR) && npm test --silent -- --slow
	$(MAKE) test-mcp-suite
	@if $(MAKE) setup-runtimes; then $(MAKE) conformance-all test-people; \
	else echo "make test-slow: not every runtime could be installed: the vectors run on those that are there"; $(MAKE) conformance; fi
	@echo "make test-slow: passed"

# New pages are looked at before they are committed, too.
.PHONY: links
links: python cmd/docs/node_modules/.package-lock.json ## check links, width and length of the Markdown files, and the sections that code cites
	git ls-files -z --cached --others --exclude-standard '*.md' | xargs -0 cmd/docs/node_modules/.bin/remark --no-stdout --quiet --frail --no-config --rc-path cmd/docs/links.json
	$(VENV_PYTHON) -m pytest -q cmd/docs/test_references.py cmd/docs/test_prose.py
cmd/docs/node_modules/.package-lock.json: cmd/docs/package-lock.json
	cd cmd/docs && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

.PHONY: imports-node
imports-node: cmd/imports/node_modules/.package-lock.json ## check that no files of the Node package import each other in a circle or out of their room
	cd $(NODE_DIR) && $(CURDIR)/cmd/imports/node_modules/.bin/depcruise --config $(CURDIR)/cmd/imports/rules.json --output-type err-long src
cmd/imports/node_modules/.package-lock.json: cmd/imports/package-lock.json
	cd cmd/imports && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

## ---- conformance

CONFORMANCE := $(BUILD)/conformance/conformance
.PHONY: $(CONFORMANCE)
$(CONFORMANCE): python node $(LIBRARY) $(WASM)
	@go build -o $@ ./conformance/cmd/conformance

conformance: $(CONFORMANCE) ## run the vectors on the nine legs and the installed runtimes; reports in build/conformance/
	@$(CONFORMANCE) $(CONFORMANCE_FLAGS)

.PHONY: conformance-all conformance-languages setup-runtimes
conformance-languages: CONFORMANCE_FLAGS := --leg go,go-host,c,python-native,node-wasm
conformance-languages: conformance ## run the vectors on one leg of each language
conformance-all: CONFORMANCE_FLAGS := --all
conformance-all: conformance ## run the vectors on all legs; needs setup-runtimes

setup-runtimes: ## install Bun, Deno, workerd and Chromium for the conformance suite (RUNTIMES="bun deno" for some)
	@node conformance/runtimes/setup.mjs $(RUNTIMES)

# Debian would make and start a database of its own.
.PHONY: setup-servers
setup-servers: ## install Debian's redis-server, postgresql and wrk, for tests and figures of stores (as root)
	@if python3 -B cmd/servers/servers.py --installed; then exit 0; fi; \
	test "$$(id -u)" = 0 && command -v apt-get >/dev/null || { echo "setup-servers: not root, or no apt-get: install redis-server and postgresql"; exit 0; }; \
	mkdir -p /etc/postgresql-common && { test -e /etc/postgresql-common/createcluster.conf || echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf; }; \
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends redis-server postgresql wrk >/dev/null

# What the MCP programs in Node need.
$(MCP)/node_modules/.package-lock.json: $(MCP)/package-lock.json
	cd $(MCP) && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

$(MCP)/suite/node_modules/.package-lock.json: $(MCP)/suite/package-lock.json
	cd $(MCP)/suite && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

$(PEOPLE)/node_modules/.package-lock.json: $(PEOPLE)/package-lock.json
	cd $(PEOPLE) && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

.PHONY: test-people
test-people: node $(PEOPLE)/node_modules/.package-lock.json ## sign in with Chromium at the real oidc-provider (PICTURES=docs draws the pages)
	node --test $(PEOPLE)/sign-in.test.mjs

.PHONY: test-mcp-suite
test-mcp-suite: node $(MCP)/suite/node_modules/.package-lock.json ## play what the MCP project's own conformance suite has of authorization
	node --test $(MCP)/suite/suite.test.mjs

.PHONY: fuzz-parity
PARITY_CASES ?= 2000
PARITY_SEED ?= 1
fuzz-parity: $(CONFORMANCE) ## mutate the vectors and compare the legs' answers (PARITY_CASES=100000 PARITY_SEED=random: a long run)
	@go build -o $(BUILD)/conformance/fuzz-parity ./conformance/cmd/parity
	@$(BUILD)/conformance/fuzz-parity --cases $(PARITY_CASES) --seed $(PARITY_SEED)

.PHONY: peers peers-check peers-ready
PEERS := conformance/peers
peers: peers-ready ## ask other JWT libraries what the vectors ask the core, and write conformance/PEERS.md
	@$(BUILD)/peers/peers
peers-check: peers-ready
	@$(BUILD)/peers/peers --check
peers-ready: $(BUILD)/peers/venv/.installed $(PEERS)/node/node_modules/.package-lock.json
	@go build -o $(BUILD)/peers/peers ./conformance/cmd/peers
$(BUILD)/peers/venv/.installed: $(PEERS)/python/requirements.txt
	$(PYTHON) -m venv $(BUILD)/peers/venv
	$(BUILD)/peers/venv/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@
$(PEERS)/node/node_modules/.package-lock.json: $(PEERS)/node/package-lock.json
	cd $(PEERS)/node && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

.PHONY: fuzz
FUZZTIME ?= 20s
fuzz: ## run every fuzz target for FUZZTIME (default 20s) each
	@for package in $$(go list ./core/... ./bindings/go/... ./cmd/tallystick/...); do \
		for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
			echo "$$package $$target"; go test -run='^$$' -fuzz="^$$target\$$" -fuzztime=$(FUZZTIME) -fuzzminimizetime=20x $$package; \
		done; \
	done

## ---- measure and check

.PHONY: mutation
mutation: ## switch off each guard of the core in turn: a vector must turn red for each (some minutes)
	@mkdir -p build
	go build -o build/mutation ./conformance/cmd/mutation
	build/mutation

.PHONY: bench
bench: python node command cmd/bench/node_modules/.package-lock.json ## measure against the peers in one run and print ratios
	@$(VENV_PYTHON) cmd/bench/bench.py
cmd/bench/node_modules/.package-lock.json: cmd/bench/package-lock.json
	cd cmd/bench && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

.PHONY: bench-load
bench-load: python node setup-servers cmd/bench/node_modules/.package-lock.json ## measure agents with each store, by wrk
	@$(VENV_PYTHON) cmd/bench/load.py

.PHONY: generate
generate: ## write the generated files
	go run ./cmd/generate
	go run ./conformance/cmd/generate

# What GitHub reads: workflows (actionlint: form and shell; zizmor: permissions, pinned actions),
# forms, and dependabot's folders.
.PHONY: lint-github
SCHEMA := $(VENV)/bin/check-jsonschema --builtin-schema
lint-github: python
	go run $(ACTIONLINT)
	$(VENV)/bin/zizmor --offline --quiet --min-severity medium .github
	$(SCHEMA) vendor.dependabot .github/dependabot.yml
	$(SCHEMA) vendor.github-actions .github/actions/*/action.yml
	$(SCHEMA) vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	$(SCHEMA) vendor.github-issue-forms .github/ISSUE_TEMPLATE/{bug,idea}.yml

# Biome's configuration is the package's; the vectors' JSON is the generator's to format.
SCRIPTS = git ls-files -z 'cmd/*.mjs' 'conformance/*.mjs' 'conformance/*.js' | xargs -0 $(NODE_DIR)/node_modules/.bin/biome check --config-path=$(NODE_DIR)
.PHONY: lint
lint: python node links lint-github imports-node cmd/bench/node_modules/.package-lock.json $(MCP)/node_modules/.package-lock.json $(PEOPLE)/node_modules/.package-lock.json ## lint, type-check and cross-build everything; change nothing
	go vet ./...
	GOOS=wasip1 GOARCH=wasm go vet ./wasm
	go run $(STATICCHECK) ./...
	go mod tidy -diff
	for target in linux/arm64 darwin/arm64 windows/amd64; do GOOS=$${target%/*} GOARCH=$${target#*/} go build ./core/... ./cmd/tallystick/... || exit 1; done
	go run ./conformance/cmd/mutation --check
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	cd $(PYTHON_DIR) && $(CURDIR)/$(VENV)/bin/mypy src tests examples
	cd $(PYTHON_DIR) && PYTHONPATH=src $(CURDIR)/$(VENV)/bin/lint-imports
	for folder in cmd/bench cmd/demo cmd/docs cmd/servers conformance/drivers/python conformance/mcp conformance/peers/python; do \
		MYPYPATH=$$folder:cmd/servers $(VENV)/bin/mypy --config-file $(PYTHON_DIR)/pyproject.toml --explicit-package-bases $$folder || exit 1; \
	done
	cd $(NODE_DIR) && npm run --silent check && node_modules/.bin/tsc -p tsconfig.programs.json && node_modules/.bin/tsc -p tsconfig.workers.json
	$(SCRIPTS)

.PHONY: check
check: generate python node ## format, generate, lint, then demand a clean tree
	gofmt -w core wasm cshared cmd conformance bindings/go
	$(VENV)/bin/ruff format .
	cd $(NODE_DIR) && npm run --silent format
	$(SCRIPTS) --write
	@$(MAKE) lint
	@test -z "$$(git status --porcelain)" || { git status --short; echo "make check: the tree is not clean: commit what is listed, or what was formatted or generated" >&2; exit 1; }
	@echo "make check: clean"

.PHONY: clean
clean: ## remove everything that was built or installed
	rm -rf $(BUILD) $(NODE_DIR)/node_modules $(NODE_DIR)/dist $(PYTHON_DIR)/src/tallystick/_lib cmd/bench/node_modules cmd/docs/node_modules cmd/imports/node_modules $(PEERS)/node/node_modules $(MCP)/node_modules $(MCP)/suite/node_modules $(PEOPLE)/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
