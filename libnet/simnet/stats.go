// SPDX-License-Identifier: GPL-3.0-or-later

package simnet

// Stats counts datagrams. Summed over a network at rest,
//
//	Sent + Duplicated = Delivered + Lost + QueueDrops + SocketDrops + Unreachable + Blocked + Expired + CutOff
//
// Drops on an access link count for its host, drops on the path between for the sender.
type Stats struct {
	Sent, SentBytes           uint64 // accepted by a write; payload bytes
	Delivered, DeliveredBytes uint64 // put into the receive queue of a socket; payload bytes
	Duplicated                uint64 // additional copies made by links
	Lost                      uint64 // by the Loss of a link
	QueueDrops                uint64 // did not fit into the queue of a link
	SocketDrops               uint64 // did not fit into the receive queue of a socket
	Unreachable               uint64 // no host at the address or no socket at the port; counted for the sender
	Blocked                   uint64 // not let through by a NAT or firewall; counted for the sender
	Expired                   uint64 // met more routers than their time to live allows; counted for the sender
	CutOff                    uint64 // sent or received by a host that is down
}

func (s *Stats) add(t Stats) {
	s.Sent += t.Sent
	s.SentBytes += t.SentBytes
	s.Delivered += t.Delivered
	s.DeliveredBytes += t.DeliveredBytes
	s.Duplicated += t.Duplicated
	s.Lost += t.Lost
	s.QueueDrops += t.QueueDrops
	s.SocketDrops += t.SocketDrops
	s.Unreachable += t.Unreachable
	s.Blocked += t.Blocked
	s.Expired += t.Expired
	s.CutOff += t.CutOff
}
