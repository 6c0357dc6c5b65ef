# Daybook. `make help` lists the targets.

SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

GO       ?= go
LINTER    = $(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.6.2
FUZZTIME ?= 20s

# One package after another where they start servers: two of them fit two cores.
TESTFLAGS = -timeout 8m -p 2

.DEFAULT_GOAL := help
.PHONY: help build run demo test test/long test/race lint fmt generate verify bench bench/main bench/rating bench/store bench/projections bench/domain fuzz clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z\/]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build bin/daybook
	@$(GO) build -trimpath -o bin/daybook ./cmd/daybook

run: build ## serve on http://127.0.0.1:8080 with the demo business
	@bin/daybook serve --demo

demo: build ## play a month of business messaging in a temporary folder and check that it adds up
	@bin/daybook demo

test: ## run every test
	@$(GO) test $(TESTFLAGS) ./...

test/long: ## run every test with full counts, and the application's again on EventStoreDB's protocol
	@DAYBOOK_TEST_LONG=1 $(GO) test -timeout 60m -p 2 -count=1 ./...
	@DAYBOOK_TEST_STORE=eventstoredb $(GO) test -timeout 60m -p 2 -count=1 ./...

test/race: ## run every test under the race detector
	@$(GO) test -race -timeout 30m -p 2 ./...

lint: ## run the linters
	@$(LINTER) run ./...

fmt: ## format the code
	@$(LINTER) fmt ./...

generate: ## write what is generated: missing golden files of events, references
	@$(GO) test ./events -run TestGolden -update
	@$(GO) test ./cmd/daybook -run ReferenceIsTrue -update

verify: ## check formatting, linters, modules and generated files; changes nothing
	@$(LINTER) fmt --diff ./...
	@$(GO) vet ./...
	@$(LINTER) run ./...
	@$(GO) mod verify
	@$(GO) mod tidy -diff
	@$(GO) test ./events ./cmd/daybook -run 'TestGolden|ReferenceIsTrue'

bench: bench/main bench/rating bench/store bench/projections bench/domain ## run all benchmarks

# A benchmark reports each bound as a metric whose unit is NAME>=WANTED or NAME<=WANTED.
bench/main: ## append, webhook and projecting against their ceilings
	@mkdir -p .bench
	@$(GO) test -run '^$$' -bench '^BenchmarkMain' -benchtime 1x -count 1 -p 1 -timeout 30m \
		./adapters/embedded ./adapters/whatsapp ./projections | tee .bench/output
	@awk -f .ci/bounds.awk .bench/output

bench/rating: ## rating and the ledger against their ceilings
	@mkdir -p .bench
	@$(GO) test -run '^$$' -bench '^BenchmarkRating' -benchtime 1x -count 1 -p 1 -timeout 30m \
		./commands/policies ./projections/... | tee .bench/output
	@awk -f .ci/bounds.awk .bench/output

bench/store: ## the event store over the wire, and reading it, against their ceilings
	@mkdir -p .bench
	@$(GO) test -run '^$$' -bench '^BenchmarkStore' -benchtime 1x -count 1 -p 1 -timeout 30m \
		./adapters/embedded ./adapters/embedded/endpoint | tee .bench/output
	@awk -f .ci/bounds.awk .bench/output

bench/projections: ## rebuilding, live traffic, and both at once, against their ceilings
	@mkdir -p .bench
	@$(GO) test -run '^$$' -bench '^BenchmarkProjections' -benchtime 1x -count 1 -p 1 -timeout 30m \
		./projections | tee .bench/output
	@awk -f .ci/bounds.awk .bench/output

bench/domain: ## what decisions cost, against their bounds
	@mkdir -p .bench
	@$(GO) test -run '^$$' -bench '^BenchmarkDomain' -benchtime 1x -count 1 -p 1 -timeout 30m \
		./domain/... ./commands/... | tee .bench/output
	@awk -f .ci/bounds.awk .bench/output

fuzz: ## run every fuzz target for FUZZTIME (20s)
	@$(GO) list ./... | while read -r package; do \
		for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz'); do \
			echo "$$package $$target"; $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$package || exit 1; \
		done; done

clean: ## remove what was built
	@rm -rf bin
