# Shortcuts for the commands of README.md, CONTRIBUTING.md and .ci/. Everything here can be typed by hand.

# Those of ko.yaml.
export GOFLAGS := $(GOFLAGS) -tags=grpcnotrace
GO_TEST_FLAGS ?=
FUZZ_TIME ?= 10s

.DEFAULT_GOAL := help
.PHONY: help run test lint fuzz bench measure generate ci e2e faults hostile hooks

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "%-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## run the service on this machine, without any server
	go run ./knative/local

test: ## run all tests against in-process servers
	go test $(GO_TEST_FLAGS) ./...

lint: ## run gofmt, golangci-lint, shellcheck and the wording check
	.ci/lint

fuzz: ## fuzz every parser for FUZZ_TIME (10s) each
	.ci/fuzz $(FUZZ_TIME)

bench: ## run all benchmarks
	go test -run '^$$' -bench . ./...

measure: ## measure the whole way of an image with real servers (about ten minutes, Linux)
	go run ./functions/bench

generate: ## write the generated reference pages
	go run ./functions/internal/reference

ci: ## run everything that CI runs, with real servers (installs what is missing)
	.ci/run

e2e: ## test on a real cluster; see the package comment of knative/e2e
	go test -v -tags e2e -count=1 -timeout 60m ./knative/e2e

faults: ## inject faults under load (as root, about a quarter of an hour)
	go test -tags faults -count=1 -timeout 30m ./knative/faults

hostile: ## attack each function within the memory limit of its pod (Linux)
	go test -tags hostile -count=1 ./knative/hostile

upgrade: ## run the version before and this one on the same servers, in both orders
	go test -tags upgrade -count=1 ./knative/upgrade

hooks: ## install the pre-commit hook
	git config core.hooksPath .githooks
