// SPDX-License-Identifier: GPL-3.0-or-later

package live

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"p2plive/internal/wire"
)

func testSigner(tb testing.TB) *Signer {
	tb.Helper()
	return NewSigner(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize)))
}

func testFragment(seq wire.Seq, size int) *Fragment {
	data := make([]byte, size)
	rng := rand.New(rand.NewPCG(uint64(seq), uint64(size)))
	for i := range data {
		data[i] = byte(rng.Uint32())
	}
	return &Fragment{
		Epoch: 5, Track: 1, Seq: seq, Key: seq%30 == 0, Base: uint64(seq) * 3000,
		Duration: 3000, Wall: 1_000_000 + int64(seq)*33, Data: data,
	}
}

func TestSplitVerifyAssemble(t *testing.T) {
	signer := testSigner(t)
	for _, size := range []int{1, 100, wire.MaxPiecePayload, wire.MaxPiecePayload + 1, 100_000, MaxFragment} {
		f := testFragment(3, size)
		pieces, err := signer.Split(f)
		if err != nil {
			t.Fatal(err)
		}
		store := NewStore(StoreConfig{})
		store.Reset(5)
		for i := len(pieces) - 1; i >= 0; i-- {
			p, err := wire.ParsePiece(bytes.Clone(pieces[i].Raw()))
			if err != nil {
				t.Fatalf("size %d piece %d: %v", size, i, err)
			}
			if err := Verify(signer.Stream(), p); err != nil {
				t.Fatalf("size %d piece %d: %v", size, i, err)
			}
			fresh, whole, err := store.Put(p)
			if !fresh || whole != (i == 0) || err != nil {
				t.Fatalf("size %d piece %d: Put = %v, %v, %v", size, i, fresh, whole, err)
			}
		}
		got := store.Fragment(1, 3)
		if got == nil || !bytes.Equal(got.Data, f.Data) || got.Base != f.Base || got.Wall != f.Wall {
			t.Fatalf("size %d: the fragment did not come back as it was", size)
		}
	}
	for _, size := range []int{0, MaxFragment + 1} {
		if _, err := signer.Split(testFragment(0, size)); err == nil {
			t.Errorf("a fragment of %d bytes was split", size)
		}
	}
}

func TestEveryByteIsSigned(t *testing.T) {
	signer := testSigner(t)
	pieces, err := signer.Split(testFragment(1, 50))
	if err != nil {
		t.Fatal(err)
	}
	for i := range pieces[0].Raw() {
		b := bytes.Clone(pieces[0].Raw())
		b[i] ^= 1
		if p, err := wire.ParsePiece(b); err == nil && Verify(signer.Stream(), p) == nil {
			t.Errorf("byte %d can be changed", i)
		}
	}
	other := NewSigner(ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)))
	if err := Verify(other.Stream(), pieces[0]); !errors.Is(err, ErrBadSignature) {
		t.Errorf("piece verified for another stream: %v", err)
	}
}

func TestCatalogSignature(t *testing.T) {
	signer := testSigner(t)
	c := &wire.Catalog{Stream: signer.Stream(), Epoch: 5, Version: 2, Title: "x", Tracks: []wire.Track{
		{ID: 1, Kind: wire.Video, Substreams: 4, Codec: "avc1.64001f", Timescale: 90000, Init: []byte("init")},
	}}
	m := signer.SignCatalog(c)
	got, err := OpenCatalog(signer.Stream(), m)
	if err != nil || got.Version != 2 || got.Track(1) == nil {
		t.Fatalf("OpenCatalog = %+v, %v", got, err)
	}
	m.Bytes[40] ^= 1
	if _, err := OpenCatalog(signer.Stream(), m); !errors.Is(err, ErrBadSignature) {
		t.Errorf("changed catalog: %v", err)
	}
	// A catalog of another stream, signed with this stream's key.
	c.Stream[0] ^= 1
	if _, err := OpenCatalog(signer.Stream(), signer.SignCatalog(c)); !errors.Is(err, ErrBadSignature) {
		t.Errorf("other stream's catalog: %v", err)
	}
}

func fill(t *testing.T, s *Store, signer *Signer, from, to wire.Seq, size int) {
	t.Helper()
	for seq := from; seq < to; seq++ {
		pieces, err := signer.Split(testFragment(seq, size))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range pieces {
			if _, _, err := s.Put(p); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestStoreBounds(t *testing.T) {
	signer := testSigner(t)
	t.Run("time", func(t *testing.T) {
		s := NewStore(StoreConfig{Span: time.Second})
		s.Reset(5)
		fill(t, s, signer, 0, 100, 100)
		if s.Fragment(1, 99) == nil || s.Fragment(1, 69) == nil || s.Fragment(1, 68) != nil {
			t.Error("the store does not hold just the newest second")
		}
		old, _ := signer.Split(testFragment(10, 100))
		if _, _, err := s.Put(old[0]); !errors.Is(err, ErrTooOld) {
			t.Errorf("old piece: %v", err)
		}
	})
	t.Run("bytes", func(t *testing.T) {
		s := NewStore(StoreConfig{Bytes: 10_000})
		s.Reset(5)
		fill(t, s, signer, 0, 100, 1000-wire.PieceOverhead)
		if s.Bytes() != 10_000 || s.Fragment(1, 90) == nil || s.Fragment(1, 89) != nil {
			t.Errorf("the store holds %d bytes", s.Bytes())
		}
	})
	t.Run("clock set back", func(t *testing.T) {
		s := NewStore(StoreConfig{Span: time.Second})
		s.Reset(5)
		fill(t, s, signer, 0, 10, 100)
		f := testFragment(10, 100)
		f.Wall -= 3_600_000
		pieces, _ := signer.Split(f)
		if _, whole, err := s.Put(pieces[0]); err != nil || !whole || s.Fragment(1, 10) == nil {
			t.Error("a source's clock that is set back stops the stream")
		}
	})
	t.Run("epoch", func(t *testing.T) {
		s := NewStore(StoreConfig{})
		s.Reset(6)
		pieces, _ := signer.Split(testFragment(0, 100))
		if _, _, err := s.Put(pieces[0]); !errors.Is(err, ErrOtherEpoch) {
			t.Errorf("piece of an old epoch: %v", err)
		}
	})
	t.Run("conflict", func(t *testing.T) {
		s := NewStore(StoreConfig{})
		s.Reset(5)
		a, _ := signer.Split(testFragment(0, 20_000))
		b, _ := signer.Split(testFragment(0, 100))
		if _, _, err := s.Put(a[0]); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.Put(b[0]); !errors.Is(err, ErrConflicting) {
			t.Errorf("conflicting piece: %v", err)
		}
		if fresh, _, err := s.Put(a[0]); fresh || err != nil {
			t.Errorf("duplicate: %v, %v", fresh, err)
		}
	})
}

func TestPlayhead(t *testing.T) {
	const ms = time.Millisecond
	frame := func(p *Playhead, now time.Duration, i int) {
		p.Delivered(now, time.Duration(i)*40*ms, time.Duration(i+1)*40*ms)
	}
	t.Run("steady", func(t *testing.T) {
		var p Playhead
		for i := range 500 {
			frame(&p, time.Duration(i)*40*ms, i)
		}
		if n, d := p.Stalls(); n != 0 || d != 0 {
			t.Errorf("%d stalls, %v", n, d)
		}
	})
	t.Run("pause of a second", func(t *testing.T) {
		var p Playhead
		for i := range 100 {
			now := time.Duration(i) * 40 * ms
			if i >= 50 {
				now += time.Second
			}
			frame(&p, now, i)
		}
		n, d := p.Stalls()
		if n != 1 || d < 800*ms || d > 1100*ms {
			t.Errorf("%d stalls, %v", n, d)
		}
	})
	t.Run("backlog at the start", func(t *testing.T) {
		var p Playhead
		for i := range 25 {
			frame(&p, 10*time.Second, 1000+i)
		}
		for i := 25; i < 200; i++ {
			frame(&p, 10*time.Second+time.Duration(i-24)*40*ms, 1000+i)
		}
		if n, _ := p.Stalls(); n != 0 {
			t.Errorf("%d stalls", n)
		}
	})
}

func TestLatency(t *testing.T) {
	var l Latency
	if l.Percentile(0.5) != 0 {
		t.Error("an empty histogram has a median")
	}
	for i := range 100 {
		l.Add(time.Duration(i) * time.Millisecond)
	}
	l.Add(-time.Second)
	l.Add(time.Hour)
	for q, want := range map[float64]int{0: 0, 0.5: 50, 0.95: 95, 1: latencyBuckets - 1} {
		if got := l.Percentile(q); got < want-1 || got > want {
			t.Errorf("percentile %v = %d, want %d", q, got, want)
		}
	}
	later := l.Clone()
	for range 10 {
		later.Add(300 * time.Millisecond)
	}
	later.Subtract(&l)
	if lo, hi := later.Percentile(0), later.Percentile(1); lo != 300 || hi != 300 {
		t.Errorf("what came later is from %d to %d", lo, hi)
	}
	later.Subtract(&Latency{})
	if c := l.Clone(); c.Percentile(0.5) != l.Percentile(0.5) {
		t.Error("clone differs")
	}
}

func BenchmarkSign(b *testing.B) {
	signer, f := testSigner(b), testFragment(0, wire.MaxPiecePayload)
	b.SetBytes(int64(len(f.Data)))
	for b.Loop() {
		if _, err := signer.Split(f); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	signer, f := testSigner(b), testFragment(0, wire.MaxPiecePayload)
	pieces, _ := signer.Split(f)
	b.SetBytes(int64(len(f.Data)))
	for b.Loop() {
		if err := Verify(signer.Stream(), pieces[0]); err != nil {
			b.Fatal(err)
		}
	}
}
