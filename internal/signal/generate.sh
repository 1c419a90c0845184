#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Generates signalpb/signal.pb.go from signal.proto. Needs protoc (Debian:
# protobuf-compiler); the Go plugin is built from the module that go.mod names,
# so that plugin and runtime always have the same version.
set -eu
cd "$(dirname "$0")"
command -v protoc >/dev/null || { echo "generate.sh: protoc not found (Debian: apt-get install protobuf-compiler)" >&2; exit 1; }
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
go build -o "$bin/protoc-gen-go" google.golang.org/protobuf/cmd/protoc-gen-go
protoc --plugin="$bin/protoc-gen-go" --go_out=. --go_opt=module=p2plive/internal/signal signal.proto
