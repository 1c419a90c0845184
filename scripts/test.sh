#!/usr/bin/env bash
# `make test`: lint, cross builds, then every test under the race detector. A
# failing step does not hide the next ones; the last lines name what failed.
set -uo pipefail
cd "$(dirname "$0")/.."

log=$(mktemp)
trap 'rm -f "$log"' EXIT
failed=()
step() { # NAME COMMAND...
  local name=$1 start=$SECONDS
  shift
  echo "== $name"
  "$@" 2>&1 | tee -a "$log" || failed+=("$name")
  echo "== $name: $((SECONDS - start)) s"
}

step lint make -s lint
step cross make -s cross

# Whole-system tests measure time: they run after the others and one package
# at a time, so that they do not wait for a core; and always, since they run
# programs that the cache of results does not know.
mapfile -t whole < <(go list ./... | grep '/test/')
mapfile -t packages < <(go list ./... | grep -v '/test/')
step tests go test -race -timeout 8m "${packages[@]}"
# In full without the race detector, which has nothing to find in machines without goroutines: see underRace there.
step figures go test -timeout 4m ./libnet/rudp/...
if [ ${#whole[@]} -gt 0 ]; then
  step 'whole system' go test -race -count 1 -p 1 -timeout 8m "${whole[@]}"
fi
step benchmarks go -C bench test -race -p 1 -timeout 4m ./...

if [ ${#failed[@]} -gt 0 ]; then
  echo
  grep -E '^ *--- FAIL|^FAIL|FAILED:|^panic:|DATA RACE' "$log" | sort | uniq -c
  printf 'test: FAILED: %s\n' "${failed[@]}" >&2
  exit 1
fi
echo 'test: all passed'
