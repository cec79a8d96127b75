# `make` lists the targets.
FUZZTIME ?= 5m
COUNT ?= 6
PYTHON ?= python3
GOLDEN ?= golden-new

.DEFAULT_GOAL := help
.PHONY: build mpi test lint bench golden reference notices release fuzz vulncheck nightly help

build: ## build the command into ./finetune-bin
	CGO_ENABLED=0 go build -o finetune-bin ./cmd/finetune

mpi: ## build the command with MPI, for one run on many machines, into ./finetune-mpi
	CGO_ENABLED=0 go build -tags mpi -o finetune-mpi ./cmd/finetune

test: ## run every test
	go test ./...

lint: ## vet, staticcheck, golangci-lint, gofmt
	scripts/lint

bench: ## run the benchmarks of tensor, op and adapter, COUNT times each
	@go test -run '^$$' -bench . -benchmem -count $(COUNT) ./tensor ./op ./adapter
	@echo 'To compare two commits: make bench >old.txt; make bench >new.txt; then' >&2
	@echo '  go run golang.org/x/perf/cmd/benchstat@latest old.txt new.txt' >&2

golden: ## make the golden files again into GOLDEN, with PYTHON (testdata/golden/README.md), and compare them with the committed ones
	scripts/golden/make $(PYTHON) $(GOLDEN)

reference: ## write docs/recipe.md and docs/data.md from the code and its comments
	go run ./internal/reference

notices: ## write THIRD_PARTY_NOTICES from the modules that the program is linked with
	go run ./internal/notices

release: ## build the release of the last commit into ./dist: static binaries with licences and lists of modules
	scripts/release

vulncheck: ## look up known vulnerabilities of the code and its modules, where the database can be reached
	scripts/vulncheck

fuzz: ## run every fuzz target for FUZZTIME, two at a time
	scripts/fuzz $(FUZZTIME)

nightly: ## all that CI runs, and what takes longer
	.ci/run nightly

help: ## list the targets
	@sed -n 's/^\([a-z]*\): ## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10
