// SPDX-License-Identifier: GPL-3.0-or-later

// Package tracker is the tracker server: it knows who is in which stream and
// introduces peers to each other. No media passes through it, and its state is
// soft: after a restart the peers announce themselves again.
//
// Session (one WebSocket) and registry (the state machine, without sockets and
// clock) are apart: sessions hand verified events to the registry under one
// lock, and the messages that come out to each other's queues.
package tracker
