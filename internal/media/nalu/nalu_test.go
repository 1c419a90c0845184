// SPDX-License-Identifier: GPL-3.0-or-later

package nalu

import (
	"bytes"
	"errors"
	"slices"
	"testing"
)

var (
	sps   = []byte{0x67, 1}
	sps2  = []byte{0x67, 2}
	pps   = []byte{0x68, 1}
	pps2  = []byte{0x68, 2}
	aud   = []byte{0x09, 0xf0}
	idr   = []byte{0x65, 9}
	slice = []byte{0x41, 9}
)

func TestFilter(t *testing.T) {
	p := NewParams(H264, nil)
	if p.Complete() {
		t.Error("complete without any set")
	}
	steps := []struct {
		name         string
		in, rest     [][]byte
		key, changed bool
		sets         [][]byte
	}{
		{"a slice", [][]byte{aud, slice}, [][]byte{slice}, false, false, nil},
		{"first sets", [][]byte{aud, sps, pps, idr}, [][]byte{idr}, true, true, [][]byte{sps, pps}},
		{"the same sets", [][]byte{sps, pps, idr}, [][]byte{idr}, true, false, [][]byte{sps, pps}},
		{"a PPS that is known", [][]byte{pps, slice}, [][]byte{slice}, false, false, [][]byte{sps, pps}},
		{"another PPS", [][]byte{pps2, slice}, [][]byte{slice}, false, true, [][]byte{sps, pps2}},
		{"two PPS", [][]byte{sps2, pps, pps2, idr}, [][]byte{idr}, true, true, [][]byte{sps2, pps, pps2}},
		{"one of them", [][]byte{pps2, slice}, [][]byte{slice}, false, false, [][]byte{sps2, pps, pps2}},
		{"sets alone", [][]byte{sps, pps}, [][]byte{}, false, true, [][]byte{sps, pps}},
	}
	for _, s := range steps {
		rest, key, changed := p.Filter(s.in)
		if !slices.EqualFunc(rest, s.rest, bytes.Equal) || key != s.key || changed != s.changed ||
			!slices.EqualFunc(p.Sets(), s.sets, bytes.Equal) {
			t.Fatalf("%s: got %x, %v, %v, sets %x", s.name, rest, key, changed, p.Sets())
		}
	}
	if !p.Complete() {
		t.Error("not complete")
	}
}

func TestSplit(t *testing.T) {
	tests := []struct {
		name string
		size int
		in   []byte
		want [][]byte
		err  error
	}{
		{"empty", 4, nil, nil, nil},
		{"two", 4, []byte{0, 0, 0, 1, 7, 0, 0, 0, 2, 8, 9}, [][]byte{{7}, {8, 9}}, nil},
		{"short lengths", 2, []byte{0, 1, 7, 0, 0, 0, 1, 8}, [][]byte{{7}, {8}}, nil},
		{"cut in a length", 4, []byte{0, 0, 0}, nil, ErrMalformed},
		{"cut in a unit", 4, []byte{0, 0, 0, 2, 7}, nil, ErrMalformed},
		{"huge", 4, []byte{0xff, 0xff, 0xff, 0xff, 7}, nil, ErrMalformed},
		{"too many", 1, bytes.Repeat([]byte{1, 7}, maxUnits+1), nil, ErrMalformed},
	}
	for _, tt := range tests {
		got, err := Split(tt.in, tt.size)
		if !errors.Is(err, tt.err) || !slices.EqualFunc(got, tt.want, bytes.Equal) {
			t.Errorf("%s: got %x, %v", tt.name, got, err)
		}
	}
}

func TestUnescape(t *testing.T) {
	if got := Unescape([]byte{1, 0, 0, 3, 0, 0, 3, 1, 3}); !bytes.Equal(got, []byte{1, 0, 0, 0, 0, 1, 3}) {
		t.Errorf("got %x", got)
	}
}

func FuzzSplit(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 7, 0, 0, 0, 2, 8, 9}, uint8(4))
	f.Fuzz(func(t *testing.T, data []byte, size uint8) {
		units, err := Split(data, int(size)%4+1)
		if err != nil {
			return
		}
		again, err := Split(Join(units), 4)
		if err != nil || !slices.EqualFunc(units, again, bytes.Equal) {
			t.Fatalf("%x became %x, %v", units, again, err)
		}
		NewParams(H265, units).Filter(units)
	})
}
