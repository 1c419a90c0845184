// SPDX-License-Identifier: GPL-3.0-or-later

// Package rudp gives reliable, encrypted sessions over UDP, many on one socket, each with channels that do
// not block one another.
//
// An [Endpoint] owns a socket. [Endpoint.Dial] and [Endpoint.Accept] give a [Conn], a session with a peer
// that has proved to hold the key of its [PeerID]. A session has up to 64 [Channel]s: both sides just name
// one and send.
//
// # Messages
//
// Messages of 1 byte to [MaxMessage] keep their boundaries, and their order within a channel. Each channel is a KCP
// conversation of its own with bounded queues, so one that is not read, or has lost a datagram, delays no other. One
// goroutine may read a whole session with [Conn.Recv], or several one channel each with [Channel.Recv].
// [Channel.NetConn] makes a channel a stream of bytes.
//
// Nothing that was sent is dropped while the session lives, but for messages with a deadline that was over before they
// left ([SendOptions]); the receiver learns how many are missing. A full send queue blocks [Channel.Send], and a receive
// queue that is not read closes the window of the sender.
//
// While a path loses datagrams at random, channels that carry what must not be late add parity segments, from which the
// receiver finds what is lost without a round trip; what they may cost is bounded, and nothing without losses.
//
// # Sharing the line
//
// What a session has in flight is bounded by the delay it adds to its path: it leaves the line to other traffic before
// that suffers ([Profile]). One pacer per endpoint deals the uplink among all sessions, by the [Class] of their channels
// ([Channel.SetPriority]); within a session and class, channels share by [Level]. [Endpoint.SetUploadLimit] and
// [Endpoint.SetUploadBudget] bound them all.
//
// # Life of a session
//
// Dial takes one round trip. A session renews its keys, survives a change of either side's address, and goes to a better
// path when told of one ([Conn.Probe], [Conn.Move]). It ends by [Conn.Close], by the peer's, or when nothing authentic has
// come for [Config.IdleTimeout]. Close ends it at once and gives up what is queued; wait with [Channel.Flush] before it
// where that matters. Errors of a session that has ended match [net.ErrClosed]; a [*CloseError] says who closed it and why.
//
// Whatever does not parse or verify is dropped, counted in [EndpointStats] and never answered. Handshakes are limited per
// address; a flood of them from forged addresses meets cookies.
//
// No goroutine belongs to a session: an endpoint has one that reads, one that sends, one that keeps the time and one that
// answers handshakes, and [Endpoint.Close] waits for them. The wire format stands in docs/protocol.md, with test vectors.
package rudp
