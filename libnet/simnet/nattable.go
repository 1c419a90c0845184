// SPDX-License-Identifier: GPL-3.0-or-later

package simnet

import (
	"container/list"
	"net/netip"
	"time"
)

// natTable is what a NAT remembers. All entries live equally long after their last refresh, so
// the list by last refresh has those that expire next at its front.
type natTable struct {
	conf NATConfig
	seed uint64
	last uint16 // sequential allocation: the port given last

	inside   map[mappingKey]*mapping
	outside  map[outsideKey]*mapping
	byAge    *list.List // of *session, least recently refreshed first
	sessions int
	refused  uint64
}

// mappingKey is an internal address and port and what of the destination the mapping depends on.
type mappingKey struct{ internal, remote netip.AddrPort }

// outsideKey is an external address and port and, where those serve several mappings, the part of
// the remote end that tells them apart.
type outsideKey struct{ external, remote netip.AddrPort }

// mapping lives as long as one of its sessions. Without an internal end it only keeps a port taken.
type mapping struct {
	key      mappingKey
	external outsideKey
	sessions map[netip.AddrPort]*list.Element // by what of the remote end the filter depends on
}

// session is a permission to send in through a mapping.
type session struct {
	of        *mapping
	remote    netip.AddrPort
	refreshed time.Duration
}

func newNATTable(conf NATConfig, seed uint64) natTable {
	t := natTable{conf: conf, seed: seed}
	first := draws(seed)
	t.last = t.port(first.next())
	t.flush()
	return t
}

// flush forgets everything but where sequential allocation goes on.
func (t *natTable) flush() {
	t.inside = make(map[mappingKey]*mapping)
	t.outside = make(map[outsideKey]*mapping)
	t.byAge = list.New()
	t.sessions = 0
}

// part is what of a remote end a behaviour depends on.
func (b Behaviour) part(remote netip.AddrPort) netip.AddrPort {
	switch b {
	case EndpointIndependent:
		return netip.AddrPort{}
	case AddressDependent:
		return netip.AddrPortFrom(remote.Addr(), 0)
	}
	return remote
}

func (t *natTable) outsideKey(external, remote netip.AddrPort) outsideKey {
	if !t.conf.Overload {
		return outsideKey{external: external}
	}
	return outsideKey{external, t.conf.Mapping.part(remote)}
}

// outbound returns the mapping for a datagram that goes out, nil where the table is full.
func (t *natTable) outbound(internal, remote netip.AddrPort, public netip.Addr, at time.Duration) *mapping {
	t.expire(at)
	key := mappingKey{internal, t.conf.Mapping.part(remote)}
	m := t.inside[key]
	if m != nil && m.sessions[t.conf.Filtering.part(remote)] != nil {
		t.refresh(m.sessions[t.conf.Filtering.part(remote)], at)
		return m
	}
	if t.sessions == t.conf.Sessions {
		t.refused++
		return nil
	}
	if m == nil {
		external, ok := t.allocate(key, public, at)
		if !ok {
			t.refused++
			return nil
		}
		m = t.add(key, external, remote)
		t.inside[key] = m
	}
	t.open(m, remote, at)
	return m
}

func (t *natTable) add(key mappingKey, external, remote netip.AddrPort) *mapping {
	m := &mapping{key: key, external: t.outsideKey(external, remote), sessions: make(map[netip.AddrPort]*list.Element)}
	t.outside[m.external] = m
	return m
}

// open adds a session to m.
func (t *natTable) open(m *mapping, remote netip.AddrPort, at time.Duration) {
	s := &session{of: m, remote: t.conf.Filtering.part(remote), refreshed: at}
	m.sessions[s.remote] = t.byAge.PushBack(s)
	t.sessions++
}

// inbound returns to whom inside a datagram goes that has come for external; false: to nobody.
func (t *natTable) inbound(remote, external netip.AddrPort, at time.Duration) (netip.AddrPort, bool) {
	t.expire(at)
	m := t.outside[t.outsideKey(external, remote)]
	if m == nil {
		if t.conf.KeepUnasked && t.sessions < t.conf.Sessions {
			t.open(t.add(mappingKey{}, external, remote), remote, at)
		}
		return netip.AddrPort{}, false
	}
	s := m.sessions[t.conf.Filtering.part(remote)]
	if s == nil {
		return netip.AddrPort{}, false
	}
	if t.conf.RefreshInbound || !m.key.internal.IsValid() {
		t.refresh(s, at)
	}
	return m.key.internal, m.key.internal.IsValid()
}

func (t *natTable) refresh(s *list.Element, at time.Duration) {
	s.Value.(*session).refreshed = at
	t.byAge.MoveToBack(s)
}

// expire forgets what has not been refreshed for Timeout.
func (t *natTable) expire(at time.Duration) {
	for e := t.byAge.Front(); e != nil; e = t.byAge.Front() {
		s := e.Value.(*session)
		if at-s.refreshed < t.conf.Timeout {
			return
		}
		t.byAge.Remove(e)
		t.sessions--
		delete(s.of.sessions, s.remote)
		if len(s.of.sessions) == 0 {
			delete(t.inside, s.of.key)
			delete(t.outside, s.of.external)
		}
	}
}

// allocate chooses the external address and port of a new mapping; false: all are taken.
func (t *natTable) allocate(key mappingKey, public netip.Addr, at time.Duration) (netip.AddrPort, bool) {
	if t.conf.Firewall {
		return key.internal, true
	}
	free := func(port uint16) bool {
		return t.outside[t.outsideKey(netip.AddrPortFrom(public, port), key.remote)] == nil
	}
	var wish uint16
	switch own := key.internal.Port(); {
	case t.conf.Ports == Sequential:
		wish = t.wrap(int(t.last) + t.conf.Step)
	case t.conf.Ports == Preserving && own >= t.conf.FirstPort && own <= t.conf.LastPort && free(own):
		wish = own
	default:
		// The moment is part of the draw: a mapping made anew is another one.
		d := draws(mix(mixAddr(mixAddr(t.seed, key.internal.Addr()), key.remote.Addr()),
			uint64(key.internal.Port()), uint64(key.remote.Port()), uint64(at)))
		wish = t.port(d.next())
	}
	for range int(t.conf.LastPort) - int(t.conf.FirstPort) + 1 {
		if free(wish) {
			t.last = wish
			return netip.AddrPortFrom(public, wish), true
		}
		wish = t.wrap(int(wish) + 1)
	}
	return netip.AddrPort{}, false
}

// port is a port of the NAT for a random number.
func (t *natTable) port(random uint64) uint16 {
	size := uint64(t.conf.LastPort) - uint64(t.conf.FirstPort) + 1
	return uint16(uint64(t.conf.FirstPort) + random%size)
}

// wrap brings a port that may be beyond the first or the last one back from the other end.
func (t *natTable) wrap(port int) uint16 {
	first, size := int(t.conf.FirstPort), int(t.conf.LastPort)-int(t.conf.FirstPort)+1
	return uint16(first + ((port-first)%size+size)%size)
}
