// SPDX-License-Identifier: GPL-3.0-or-later

package swarm

// ReadAhead reads what the next events of some machines will need. A process
// that runs thousands of them finds none in a cache, and its time is spent on
// waiting for one place in memory after another, since each tells where the next
// one is. Here all machines are read first, then all that they point to, and so on:
// a processor waits for many places at once as long as for one. Nothing is
// changed. The result means nothing; without it the compiler would read nothing.
func ReadAhead(machines []*Machine) (sum int) {
	for _, m := range machines {
		sum += int(m.now+m.askedAt+m.cfg.PlayDelay+m.cfg.Window+m.book.nobodyUntil+m.nextExchange) +
			len(m.keys) + len(m.tracks) + int(m.stats.Pushed+m.stats.Delivered)
	}
	for _, m := range machines {
		sum += m.readLists()
	}
	for _, m := range machines {
		sum += m.readTracks() + m.readNeighbours()
	}
	for _, m := range machines {
		sum += m.readChildren() + m.readQuests()
	}
	return sum
}

func (m *Machine) readLists() (sum int) {
	if len(m.neighbours) > 0 {
		sum += int(m.keys[0]) + int(m.neighbours[0].heard)
	}
	for _, t := range m.tracks {
		sum += t.frags.len() + t.index + int(t.lag.last) + t.claims.viewers + int(t.changes.total)
	}
	for _, tr := range m.trees {
		sum += int(tr.nextTry) + len(tr.path) + int(tr.late.mean)
	}
	return sum
}

// readTracks reads the fragments of which something is missing or will be.
func (m *Machine) readTracks() (sum int) {
	for _, t := range m.tracks {
		for i := int(t.low - t.base); i < t.frags.len(); i++ {
			sum += int(t.frags.at(i).got)
		}
		if !t.empty() {
			sum += int(t.frags.at(0).seen) // is the next to be forgotten
		}
		if n := len(t.closed); n > 0 && t.closed[n-1].over {
			sum++
		}
	}
	return sum
}

func (m *Machine) readQuests() (sum int) {
	for _, t := range m.tracks {
		for i := int(t.low - t.base); i < t.frags.len(); i++ {
			if q := t.frags.at(i).open; q != nil {
				sum += int(q.proved)
			}
		}
	}
	return sum
}

func (m *Machine) readNeighbours() (sum int) {
	for _, n := range m.neighbours {
		sum += int(n.heard+n.nextHave) + int(n.first.cursor)
	}
	return sum
}

func (m *Machine) readChildren() (sum int) {
	for _, tr := range m.trees {
		for _, c := range tr.children {
			sum += int(c.from)
		}
	}
	return sum
}
