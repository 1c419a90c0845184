// SPDX-License-Identifier: GPL-3.0-or-later

package udp

import "sync/atomic"

// Stats counts what passed a socket since it was made.
type Stats struct {
	// DatagramsIn and DatagramsOut were read and sent.
	DatagramsIn, DatagramsOut uint64
	// Reads and Writes are the system calls that moved datagrams, or refused one.
	Reads, Writes uint64
	// MergedIn and MergedOut are those datagrams that passed the kernel merged with others (GRO, GSO).
	MergedIn, MergedOut uint64
	// WriteErrors are datagrams that the system refused to send. ReadErrors are errors that reads met.
	WriteErrors, ReadErrors uint64
	// RefusedMerges are merged sends that the kernel refused; their datagrams were sent one by one.
	RefusedMerges uint64
	// GSO and GRO tell whether datagrams are merged at present.
	GSO, GRO bool
}

type counters struct {
	datagramsIn, datagramsOut atomic.Uint64
	reads, writes             atomic.Uint64
	mergedIn, mergedOut       atomic.Uint64
	writeErrors, readErrors   atomic.Uint64
	refusedMerges             atomic.Uint64
}

// Stats may be called from any goroutine.
func (s *Socket) Stats() Stats {
	c := s.counters
	stats := Stats{
		DatagramsIn: c.datagramsIn.Load(), DatagramsOut: c.datagramsOut.Load(),
		Reads: c.reads.Load(), Writes: c.writes.Load(),
		MergedIn: c.mergedIn.Load(), MergedOut: c.mergedOut.Load(),
		WriteErrors: c.writeErrors.Load(), ReadErrors: c.readErrors.Load(),
		RefusedMerges: c.refusedMerges.Load(),
	}
	stats.GSO, stats.GRO = s.batch.offload()
	return stats
}

func (c *counters) countRead(ms []Message) {
	all, merged := 0, 0
	for i := range ms {
		n := ms[i].count()
		all += n
		if n > 1 {
			merged += n
		}
	}
	c.reads.Add(1)
	c.datagramsIn.Add(uint64(all))
	if merged > 0 {
		c.mergedIn.Add(uint64(merged))
	}
}
