// SPDX-License-Identifier: GPL-3.0-or-later

package arq

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
)

// guarded is a pair of Cores, the first of which sends parity segments.
func guarded(share float64) (a, b *own) {
	a, b = newOwn(true), newOwn(true)
	a.redundancy.peer = true
	a.SetRedundancy(share)
	return a, b
}

// datagrams gives what a sends for a message.
func (o *own) datagrams(now Time, msg []byte) (all [][]byte) {
	o.Send(msg, 0)
	o.flush(now, func(b []byte) { all = append(all, bytes.Clone(b)) })
	return all
}

// warm lets b know that there are parity segments, and gives a credit for as many.
func warm(t *testing.T, a, b *own, parities int) {
	t.Helper()
	for _, d := range a.datagrams(second, numbered(0, 0, 3000)) {
		b.input(second, d)
	}
	b.flush(second, func(d []byte) { a.input(second+50*ms, d) })
	if _, ok := b.recv(); !ok || b.in.recovery == nil {
		t.Fatal("no parity segment came")
	}
	a.redundancy.credit = float64(parities) * (ShortLen + testPayload)
}

// As many segments may be missing as parity segments that cover them have come, whichever they are.
func TestParityFindsWhatIsMissing(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	for _, tt := range []struct{ messages, parities, lost int }{{1, 1, 1}, {1, 2, 2}, {2, 2, 2}, {3, 3, 3}, {4, 4, 4}} {
		t.Run(fmt.Sprint(tt), func(t *testing.T) {
			for range 200 {
				a, b := guarded(1e-9)
				warm(t, a, b, 0)
				now := second + 50*ms
				var data, parity [][]byte
				for i := range tt.messages {
					now += 16 * ms
					a.redundancy.credit = float64(tt.parities/tt.messages) * (ShortLen + testPayload)
					for _, d := range a.datagrams(now, numbered(1, i, 8<<10)) {
						if d[0] == CmdParity {
							parity = append(parity, d)
						} else {
							data = append(data, d)
						}
					}
				}
				if len(parity) != tt.parities || len(data) != 8*tt.messages-tt.messages {
					t.Fatalf("%d parity and %d data segments", len(parity), len(data))
				}
				for i := range tt.lost {
					j := i + rnd.IntN(7-i) // of the first message, which all cover
					data[i], data[j] = data[j], data[i]
				}
				data = data[tt.lost:]
				all := append(data, parity...)
				rnd.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
				for _, d := range all {
					b.input(now, d)
				}
				for i := range tt.messages {
					if msg, ok := b.recv(); !ok || !bytes.Equal(msg, numbered(1, i, 8<<10)) {
						t.Fatalf("message %d: %d bytes, %v", i, len(msg), ok)
					}
				}
				if b.stats.Found != uint64(tt.lost) || len(b.in.recovery.system) != 0 {
					t.Fatalf("%d found, %d equations are left", b.stats.Found, len(b.in.recovery.system))
				}
			}
		})
	}
}

// With parity segments, messages and markers arrive whole and in order over every path, and both sides count the same
// losses.
func TestParityOverBadPaths(t *testing.T) {
	for _, tt := range badPaths {
		t.Run(tt.name, func(t *testing.T) {
			a, b := newOwn(true), newOwn(true)
			l := newLine(t, 1, a, b, tt.path)
			a.limit, b.limit = 20, 20
			for range 10 { // the queue must become empty: else there are no parity segments
				a.SetRedundancy(1)
				b.SetRedundancy(0.1)
				l.transfer(20, 10_000)
				a.SetRedundancy(0)
				l.transfer(20, 3_000)
			}
			checkBounds(t, a.Core)
			checkBounds(t, b.Core)
			t.Logf("%+v", a.stats)
			if a.stats.Parities == 0 || a.stats.Recovered > b.stats.Found || tt.path.loss >= 0.05 && tt.path.loss < 0.2 && a.stats.Recovered == 0 {
				t.Errorf("%d sent, %d found, %d of them known", a.stats.Parities, b.stats.Found, a.stats.Recovered)
			}
		})
	}
}

// A segment that was found is acknowledged, counts as a loss, and is not repeated; a dropped message's marker can be found.
func TestFoundSegmentsAreKnownAsLosses(t *testing.T) {
	a, b := guarded(1e-9)
	warm(t, a, b, 1)
	now := second + 50*ms
	a.Send(numbered(1, 0, 500), now-1)
	a.Send(numbered(1, 1, 500), now-1)
	data := a.datagrams(now, numbered(1, 2, 500))
	if len(data) != 2 { // the marker and the message share one
		t.Fatalf("%d datagrams", len(data))
	}
	marker, message := data[0][:ShortLen], data[0][ShortLen:]
	b.input(now, message)
	b.AppendControl(nil, 2000)
	b.input(now, data[1])
	if data, skipped, ok := b.Recv(); !ok || skipped != 2 || !bytes.Equal(data, numbered(1, 2, 500)) {
		t.Fatalf("%v, %d skipped", ok, skipped)
	}
	now += 50 * ms
	before := a.rtt.smoothed
	f, err := a.Input(now, b.AppendControl(nil, 2000))
	if err != nil || f.Recovered != ShortLen+testPayload || f.Lost != 0 || a.InFlight() != 0 || a.Waiting() != 0 {
		t.Errorf("%+v, %v, %d in flight", f, err, a.InFlight())
	}
	if f.RTT != 0 || a.rtt.smoothed != before || a.reorder.seen {
		t.Errorf("a round trip of %v was measured, reordering %v", f.RTT, a.reorder.seen)
	}
	b.input(now, marker)
	if b.stats.Duplicates != 1 {
		t.Error("the marker was lost")
	}
}

// What is kept for parity segments goes when they stay away; a peer that does not make use of them gets none.
func TestParityIsOnlyThereWhenUsed(t *testing.T) {
	a, b := guarded(1e-9)
	warm(t, a, b, 0)
	a.SetRedundancy(0)
	for i := range maxQuiet + 1 {
		a.Send(numbered(0, i, 100), 0)
		a.flush(2*second, func(d []byte) { b.input(2*second, d) })
		b.flush(2*second, func(d []byte) { a.input(2*second, d) })
		b.recv()
	}
	if b.in.recovery != nil {
		t.Error("it is kept on")
	}
	warmed, peer := guarded(1e-9)
	warm(t, warmed, peer, 0)
	peer.Trim()
	if peer.in.recovery == nil {
		t.Error("it went while it was used")
	}
	if peer.Trim(); peer.in.recovery != nil {
		t.Error("it is kept by an idle conversation")
	}

	c := newOwn(true)
	c.SetRedundancy(1)
	if n := len(c.datagrams(second, numbered(0, 0, 3000))); n != 3 {
		t.Errorf("%d datagrams to a peer that has said nothing", n)
	}
}

// Parity segments of garbage bring nothing that breaks the receiver, whose bounds hold.
func TestGarbageInParity(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	_, b := guarded(1)
	for range 20_000 {
		n := rnd.IntN(40)
		h := Header{Cmd: CmdParity, Frg: uint8(1 + rnd.IntN(maxCovered)), Ts: rnd.Uint32(), Sn: b.in.next + uint32(rnd.IntN(60)) - 20, Len: uint32(n)}
		if rnd.IntN(3) == 0 {
			h.Cmd, h.Frg = CmdPush, uint8(rnd.IntN(2))
		}
		d := h.append(nil, true)
		for range n {
			d = append(d, byte(rnd.Int()))
		}
		b.Input(second, d)
		for b.Readable() {
			b.Recv()
		}
		if r := b.in.recovery; r != nil && len(r.system) > maxEquations || b.in.early > testWindow {
			t.Fatalf("%d early, %+v", b.in.early, r)
		}
		if b.in.recovery == nil {
			continue
		}
		for i, e := range b.in.recovery.system {
			if len(e.terms) == 0 || len(e.bytes) > 64 {
				t.Fatalf("an equation of %d terms and %d bytes", len(e.terms), len(e.bytes))
			}
			for j, other := range b.in.recovery.system {
				if i != j && other.factor(e.terms[0].sn) != 0 {
					t.Fatal("two equations have the same first term")
				}
			}
		}
	}
}

// A segment that is found after a long time without parity segments is the moment in which they are given up.
func TestFoundWhenGivenUp(t *testing.T) {
	for late := range 4 {
		a, b := guarded(1e-9)
		warm(t, a, b, 1)
		now := second + 50*ms
		first := a.datagrams(now, numbered(1, 0, 2000)) // two fragments and a parity segment
		b.input(now, first[len(first)-1])
		a.SetRedundancy(0)
		b.cfg.RecvWindow = 2 * maxQuiet
		a.edge += 2 * maxQuiet
		a.limit = 2 * maxQuiet
		for i := range maxQuiet - 3 + late {
			for _, d := range a.datagrams(now, numbered(1, i, 100)) {
				b.input(now, d)
			}
		}
		b.input(now, first[0]) // the other fragment is found, or it was too late
		if found := b.stats.Found == 1; found != (late < 3) {
			t.Errorf("%d segments later: found %v", maxQuiet-3+late, found)
		}
	}
}

// A flood of parity segments, which are work, is looked at as far as data segments come with it. One may find
// something by accident, as there is no check in it (sessions authenticate datagrams): nothing is missing then, and no
// more is looked at.
func TestFloodOfParity(t *testing.T) {
	for seed := range uint64(1000) {
		random := rand.New(rand.NewPCG(seed, 0))
		a, b := guarded(1e-9)
		warm(t, a, b, 1)
		all := a.datagrams(second+50*ms, numbered(1, 0, 8<<10))
		for _, d := range all[1 : len(all)-1] {
			b.input(second, d)
		}
		parity := bytes.Clone(all[len(all)-1])
		for i := range 100 {
			binary.LittleEndian.PutUint32(parity[4:], random.Uint32())
			parity[ShortLen+i]++
			b.input(second, parity)
		}
		if r := b.in.recovery; b.stats.Found == 0 && r.credit != 0 || b.stats.Found > 1 {
			t.Errorf("seed %d: credit %d, %d found", seed, r.credit, b.stats.Found)
		}
	}
}

// Every matrix of coefficients of as many parity segments as segments can be inverted, as long as their numbers do not
// repeat: two by two here.
func TestCoefficients(t *testing.T) {
	for sn := range uint32(128) {
		for index := range uint8(128) {
			a, b := coefficient(index, sn), coefficient(index, sn+1)
			c, d := coefficient(index+1, sn), coefficient(index+1, sn+1)
			if a == 0 || multiply(a, d) == multiply(b, c) {
				t.Fatalf("index %d, segment %d: %d %d %d %d", index, sn, a, b, c, d)
			}
		}
	}
	for a := 1; a < 256; a++ {
		if multiply(byte(a), inverse(byte(a))) != 1 {
			t.Fatalf("%d times its inverse is not one", a)
		}
	}
}

func BenchmarkParity(b *testing.B) {
	a, _ := guarded(1)
	a.Send(numbered(0, 0, 28*testPayload), 0)
	a.redundancy.peer = false
	a.flush(second, func([]byte) {})
	a.redundancy.peer = true
	for b.Loop() {
		a.redundancy.credit = 1e4
		if n, kind := a.Next(second, a.buf[:]); kind != Parity {
			b.Fatal(n, kind)
		}
	}
}
