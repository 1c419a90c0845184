#!/usr/bin/env bash
# Says whether every generated file is what `make generate` makes of its
# source. Works on a copy, so that the tree in use is left as it is.
set -euo pipefail
cd "$(dirname "$0")/.."

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
mkdir "$copy/was" "$copy/is"
tar -c --exclude=./.git --exclude=./bin --exclude=./dist --exclude=node_modules . | tar -x -C "$copy/was"
cp -a "$copy/was/." "$copy/is/"
if ! make -s -C "$copy/is" generate >"$copy/log" 2>&1; then
  cat "$copy/log" >&2
  echo "generated: \`make generate\` failed" >&2
  exit 1
fi
# protoc writes its own version into a comment; it differs between machines.
if ! diff -r -u -I '^//.*protoc ' "$copy/was" "$copy/is" >"$copy/diff"; then
  grep -E '^(diff|Only|Binary)' "$copy/diff" | sed "s#$copy/##g" | cut -c-300 >&2
  echo "generated: files are not what their sources give: run \`make generate\` and commit" >&2
  exit 1
fi
