// SPDX-License-Identifier: GPL-3.0-or-later

package arq

import "testing"

// Segments from nowhere, between those of a live peer, may spoil the conversation but not break the Core, nor make it
// hold more than its bounds.
func FuzzInput(f *testing.F) {
	a := newOwn(true)
	a.Send(numbered(0, 1, 5000), 0)
	a.flush(second, func(b []byte) { f.Add(append([]byte(nil), b...), uint8(3), true) })
	h := Header{Conv: 7, Cmd: CmdAck, Window: 9, Ts: 1, Sn: 3, Una: 1, Len: 6}
	ack := append(h.append(nil, true), 1, 2, 3, 4, 0b101, 0)
	f.Add(ack, uint8(9), true)
	f.Add(ack[:ShortLen+tellLen], uint8(1), true)
	h.Len = 0
	f.Add(h.append(nil, false), uint8(1), false)
	guard, _ := guarded(1)
	for _, d := range guard.datagrams(second, numbered(0, 0, 300)) {
		f.Add(d, uint8(4), true)
	}
	f.Fuzz(func(t *testing.T, b []byte, n uint8, extended bool) {
		a, peer := newOwn(extended), newOwn(extended)
		now := second
		a.redundancy.peer = extended
		a.SetRedundancy(0.5)
		for i := range int(n) {
			a.Send(numbered(0, i, 100*(i+1)), 0)
		}
		toPeer := func(d []byte) { peer.Input(now, d) }
		toA := func(d []byte) { a.Input(now, d) }
		a.flush(now, toPeer)
		for range 3 {
			now += 20 * ms
			h, _, _, ok := parse(b, extended)
			if _, err := a.Input(now, b); ok && !extended && h.Conv != 7 && err == nil {
				t.Fatal("segments of another conversation were taken")
			}
			a.flush(now, toPeer)
			peer.flush(now, toA)
			for {
				msg, ok := a.recv()
				if !ok {
					break
				}
				if len(msg) > testMessage {
					t.Fatalf("a message of %d bytes", len(msg))
				}
			}
			if a.in.held > testWindow || a.in.early > testWindow || len(a.in.ring) > 2*testWindow || len(a.in.acks) > maxAcks {
				t.Fatalf("%+v", a.in)
			}
			if r := a.in.recovery; r != nil && len(r.system) > maxEquations {
				t.Fatalf("%d equations", len(r.system))
			}
			if a.in.held < 0 || a.sacked < 0 || a.flight.n < 0 || a.lost.n < 0 || a.segments < 0 || a.queued < 0 {
				t.Fatal("a count is negative")
			}
			if int(a.win.nxt-a.win.una) < a.flight.n+a.lost.n+a.sacked {
				t.Fatal("segments are counted twice")
			}
		}
		a.Release()
	})
}
