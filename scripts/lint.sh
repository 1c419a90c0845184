#!/usr/bin/env bash
# Every check that runs no test. All of them run, so that one reading shows
# everything there is to mend.
set -uo pipefail
cd "$(dirname "$0")/.."

pure=(./internal/swarm/... ./internal/live/... ./internal/wire/...)
tool() { go tool -modfile=tools/go.mod "$@"; }

failed=()
check() { # NAME COMMAND...
  local name=$1
  shift
  "$@" || failed+=("$name")
}

formatted() {
  local out
  out=$(find . -name '*.go' -not -path './.git/*' -not -path '*/node_modules/*' -print0 | xargs -0 gofmt -l)
  [ -z "$out" ] || { printf 'not formatted, run gofmt -w: %s\n' "$out" >&2; return 1; }
}

# A module of its own, where ./... does not reach.
benchmarks() (cd bench && go tool -modfile=../tools/go.mod staticcheck ./...)

check gofmt formatted
check vet go vet ./...
check 'vet js/wasm' env GOOS=js GOARCH=wasm go vet "${pure[@]}"
check staticcheck tool staticcheck ./...
check 'vet bench' go -C bench vet ./...
check 'staticcheck bench' benchmarks
check 'import direction' tool depguard ./...
check purecheck go run -C tools ./purecheck ../internal/swarm ../internal/live ../internal/wire
check tools go -C tools test ./...
check generated scripts/check-generated.sh

if [ ${#failed[@]} -gt 0 ]; then
  printf 'lint: FAILED: %s\n' "${failed[@]}" >&2
  exit 1
fi
echo 'lint: ok'
