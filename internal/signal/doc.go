// SPDX-License-Identifier: GPL-3.0-or-later

// Package signal is a peer's side of the long connection to its tracker: the
// shared messages, the proofs and tickets in them, links, and a client that
// keeps the connection up. It moves no media; package peer does.
package signal

//go:generate ./generate.sh

// ProtocolVersion is the version of the messages in signal.proto. A peer and a
// tracker with different versions do not talk.
const ProtocolVersion = 1

// ConnectPath is the HTTP path of the tracker's WebSocket endpoint.
const ConnectPath = "/api/connect"
