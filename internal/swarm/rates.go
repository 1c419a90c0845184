// SPDX-License-Identifier: GPL-3.0-or-later

package swarm

import (
	"time"

	"p2plive/internal/wire"
)

// rates is what the uplink and the trees' rates come to. All of the machine asks
// for it all the time, so it is worked out when one of them changes.
type rates struct {
	all   int64 // what all trees carry together, in bits a second
	slots int   // how many children in all trees the peer can carry
	leaf  bool
}

// measure works out the rates anew.
func (m *Machine) measure() {
	was := m.leaf()
	m.rates = rates{slots: defaultCopies * len(m.trees)}
	r := &m.rates
	for _, tr := range m.trees {
		r.all += tr.rate()
	}
	switch {
	case m.cfg.Leaf:
		r.slots = 0
	case m.cfg.Slots > 0:
		r.slots = m.cfg.Slots
	case m.uplink > 0 && r.all > 0:
		r.slots = int(m.forChildren() * int64(len(m.trees)) / r.all)
	}
	r.leaf = m.cfg.Leaf || m.cfg.Role == wire.RoleViewer && len(m.trees) > 0 && r.slots == 0
	m.book.changed()
	if m.leaf() != was {
		m.tellSoon()
	}
}

// rate is what all trees carry together, in bits a second.
func (m *Machine) rate() int64 { return m.rates.all }

// slots returns how many children in all trees the peer can carry.
func (m *Machine) slots() int { return m.rates.slots }

// leaf reports whether the peer shares nothing, because it is told so or
// because its uplink carries nobody: then all of that is needed to say what it
// misses and what has come.
func (m *Machine) leaf() bool { return m.rates.leaf }

// pieceBits returns how large a piece is, in bits: the mean of the track with the largest.
func (m *Machine) pieceBits() int64 {
	size := 0
	for _, t := range m.tracks {
		size = max(size, t.size)
	}
	if size == 0 {
		size = usualPiece
	}
	return int64(max(size, leastPiece)) * 8
}

// leafEvery returns how often a leaf does what a line of leafUplink can do every so often.
func (m *Machine) leafEvery(every time.Duration) time.Duration {
	return every * leafUplink / time.Duration(max(m.uplink, leafUplink))
}

// rate returns the bits a second of a tree, 0 if not known.
func (tr *tree) rate() int64 {
	return int64(tr.track.info.Bitrate) / int64(tr.track.info.Substreams)
}

// forChildren returns what of a viewer's uplink children may take, in bits a second.
func (m *Machine) forChildren() int64 {
	return m.uplink * ChildShare / 100
}

// gives returns what children can have of the peer, in bits a second. A line that
// has shown no bound yet counts as a copy of the stream: weak ones show theirs with the
// first children, and of the others nothing is known until somebody comes.
func (m *Machine) gives() int64 {
	if len(m.trees) == 0 {
		return 0
	}
	n := m.slots()
	switch {
	case m.cfg.Slots > 0 || m.cfg.Leaf:
	case m.uplink <= 0:
		n = min(n, len(m.trees))
	case m.open:
		n = max(n, len(m.trees))
	}
	return int64(n) * m.rate() / int64(len(m.trees))
}
