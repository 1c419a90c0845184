// SPDX-License-Identifier: GPL-3.0-or-later

// Package rudp gives reliable, encrypted sessions over UDP, many on one socket, each with channels that do
// not block one another.
//
// An [Endpoint] owns a socket. [Endpoint.Dial] and [Endpoint.Accept] give a [Conn], a session with a peer
// that has proved to hold the key of its [PeerID]. A session has up to 64 [Channel]s: both sides just name
// one and send. Messages keep their boundaries, and their order within a channel; each channel is its own
// KCP conversation with its own bounded queues, so a channel that is not read, or has lost a datagram,
// delays no other.
//
// Nothing that was sent is dropped while the session lives: a full send queue blocks [Channel.Send], and a
// receive queue that is not read closes the window of the sender. Close ends a session at once and gives up
// what is queued; [Channel.Flush] waits for it before.
//
// No goroutine belongs to a session: an endpoint has one that reads, one that keeps the time and one that
// answers handshakes. Datagrams leave on the goroutine that caused them. The wire format stands in
// docs/protocol.md.
package rudp
