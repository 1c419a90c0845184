# Everything a developer runs. `make help` lists the targets.

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
GOBUILD  = CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X p2plive/internal/cli.version=$(VERSION)'

# Platforms that are built but not tested here, and the packages that browsers run.
PLATFORMS = linux/arm64 darwin/arm64 windows/amd64
WASM      = ./internal/swarm/... ./internal/live/... ./internal/wire/...

.PHONY: build
build: ## Build bin/p2plive
	$(GOBUILD) -o bin/p2plive ./cmd/p2plive

.PHONY: test
test: deps ## Install what tests need (as root on Debian), then lint, cross builds and all tests with the race detector
	scripts/test.sh

.PHONY: lint
lint: ## Formatting, vet, staticcheck, import direction, generated files
	scripts/lint.sh

.PHONY: bench
bench: ## Go benchmarks
	go test -run '^$$' -bench . -benchmem ./...

.PHONY: bench-rudp
bench-rudp: ## libnet/rudp beside quic-go, kcp-go, TLS and HTTP, about a quarter of an hour; options by BENCH='-quick -only bulk'
	go -C bench run . $(BENCH)

.PHONY: soak
soak: ## 1000 sessions of libnet/rudp for 5 minutes: memory, loss, order, content; another time by SOAK=30m
	go test -count 1 -timeout 0 -run '^TestSoak$$' -v ./libnet/rudp -soak $(or $(SOAK),5m)

.PHONY: property
property: ## A million events for each property test of the swarm, half a minute; another number by STEPS=10000000
	go test -count 1 -timeout 0 -run '^TestRandom' -v ./internal/swarm -steps $(or $(STEPS),1000000)

.PHONY: cross
cross: $(PLATFORMS:%=cross-%) cross-wasm ## Build for other platforms into dist/, and for js/wasm what browsers run

.PHONY: $(PLATFORMS:%=cross-%)
$(PLATFORMS:%=cross-%): cross-%:
	GOOS=$(*D) GOARCH=$(*F) $(GOBUILD) -o dist/p2plive-$(*D)-$(*F)$(if $(filter windows,$(*D)),.exe) ./cmd/p2plive

.PHONY: cross-wasm
cross-wasm:
	GOOS=js GOARCH=wasm go build $(WASM)

.PHONY: generate
generate: ## Regenerate protobuf code and bundled pages
	go generate ./internal/...

.PHONY: deps
deps: ## Install the programs that tests need, or say which are missing
	@scripts/deps.sh

.PHONY: help
help: ## This list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12
