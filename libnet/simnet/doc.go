// SPDX-License-Identifier: GPL-3.0-or-later

// Package simnet is an in-process network of UDP sockets whose links have delay,
// jitter, loss, rate and queue, for tests of protocols that run over net.PacketConn.
// It models a path as links with a drop-tail queue each; it does not model IP
// fragmentation, ICMP or competing traffic.
//
// A datagram passes its sender's up link, then the extra link of the pair of hosts
// where SetPath made one, then the receiver's down link, then the bounded receive
// queue of the socket. Rate limits, queueing and loss apply on each link. A NAT between them
// has an up and a down link of its own.
//
// # Virtual time
//
// A Network blocks only on channels and timers, so inside a testing/synctest bubble
// it runs in virtual time, and every delay is then exact to the nanosecond. New must
// be called inside the bubble, and Close before the bubble ends. Outside a bubble the
// same code runs in real time, as exact as the runtime's timers.
//
// # Determinism
//
// Every random draw is a pure function of the network's seed, the link, the flow (source
// and destination address and port) and the datagram's number in its flow. What happens to
// the n-th datagram of a flow therefore does not depend on the scheduling of goroutines,
// on other flows or on the addition of further hosts; and changing one setting of a link
// does not change the draws of another (with more jitter, the same datagrams are lost).
//
// In virtual time, events of one instant run in a fixed order: first what was due on the
// network (by host in order of creation, then in order of sending), then what the program
// sends at that instant. What stays open is the order in which goroutines send through one
// host, or over links without any delay to one host, at the same instant; it shows only
// where they compete for the same queue.
package simnet
