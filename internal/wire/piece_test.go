// SPDX-License-Identifier: GPL-3.0-or-later

package wire

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
)

func TestPieceRoundTrip(t *testing.T) {
	for _, payload := range [][]byte{{1}, bytes.Repeat([]byte{7}, 1000), make([]byte, MaxPiecePayload)} {
		for _, key := range []bool{true, false} {
			p := testPiece(key, MaxPieces, payload)
			if n := len(p.Raw()); n != PieceOverhead+len(payload) {
				t.Errorf("a payload of %d bytes makes %d", len(payload), n)
			}
			got, err := ParsePiece(p.Raw())
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, p) || !bytes.Equal(got.Payload, payload) {
				t.Errorf("parsed %+v, want %+v", got.PieceHeader, p.PieceHeader)
			}
			if !bytes.Equal(append(bytes.Clone(p.Signed()), p.Signature[:]...), p.Raw()) {
				t.Error("what is signed, and the signature, are not all of the piece")
			}
		}
	}
}

// TestPieceBytes fixes the layout: peers of other versions read it.
func TestPieceBytes(t *testing.T) {
	p := EncodePiece(PieceHeader{
		Epoch: 0x0102030405060708, Track: 9, Key: true, Seq: 0x0a0b0c0d, Index: 1, Count: 2,
		Base: 0x1112131415161718, Duration: 0x21222324, Wall: 0x3132333435363738,
	}, []byte("xy"), func([]byte) (sig [SignatureSize]byte) { return sig })
	want := "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x01\x0a\x0b\x0c\x0d\x00\x01\x00\x02" +
		"\x11\x12\x13\x14\x15\x16\x17\x18\x21\x22\x23\x24\x31\x32\x33\x34\x35\x36\x37\x38\x00\x02xy"
	if got := string(p.Signed()); got != want {
		t.Errorf("encoded %x\nwant    %x", got, want)
	}
}

func TestMalformedPieces(t *testing.T) {
	encode := func(change func(*PieceHeader), payload []byte) []byte {
		h := PieceHeader{Track: 1, Count: 1}
		change(&h)
		return EncodePiece(h, payload, func([]byte) (sig [SignatureSize]byte) { return sig }).Raw()
	}
	one := []byte{1}
	flags := encode(func(*PieceHeader) {}, one)
	flags[9] |= 2
	cases := map[string][]byte{
		"empty":           {},
		"track 0":         encode(func(h *PieceHeader) { h.Track = 0 }, one),
		"count 0":         encode(func(h *PieceHeader) { h.Count = 0 }, one),
		"too many pieces": encode(func(h *PieceHeader) { h.Count = MaxPieces + 1 }, one),
		"index":           encode(func(h *PieceHeader) { h.Index = 1 }, one),
		"no payload":      encode(func(*PieceHeader) {}, nil),
		"long payload":    encode(func(*PieceHeader) {}, make([]byte, MaxPiecePayload+1)),
		"unknown flag":    flags,
		"cut":             encode(func(*PieceHeader) {}, one)[:PieceOverhead],
		"a byte more":     append(encode(func(*PieceHeader) {}, one), 0),
	}
	for name, b := range cases {
		if _, err := ParsePiece(b); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: parsed, %v", name, err)
		}
	}
}

func FuzzParsePiece(f *testing.F) {
	f.Add(testPiece(true, 3, []byte("payload")).Raw())
	f.Add(testPiece(false, 1, make([]byte, MaxPiecePayload)).Raw())
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParsePiece(b)
		if err != nil {
			return
		}
		again := EncodePiece(p.PieceHeader, p.Payload, func([]byte) [SignatureSize]byte { return p.Signature })
		if !bytes.Equal(again.Raw(), b) {
			t.Fatalf("%x became %x", b, again.Raw())
		}
	})
}
