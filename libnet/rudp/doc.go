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
// Nothing that was sent is dropped while the session lives, but for messages with a deadline that was over before they
// left ([SendOptions]): a full send queue blocks [Channel.Send], and a receive queue that is not read closes the window
// of the sender. Close ends a session at once and gives up what is queued; [Channel.Flush] waits for it before.
//
// What a session has in flight is bounded by the delay it adds to its path, and one pacer per endpoint deals the uplink
// among all sessions: [Channel.SetPriority], [Channel.SetLevel], [Endpoint.SetUploadLimit]. A session survives a change
// of either side's address.
//
// No goroutine belongs to a session: an endpoint has one that reads, one that sends, one that keeps the time and one that
// answers handshakes. The wire format stands in docs/protocol.md.
package rudp
