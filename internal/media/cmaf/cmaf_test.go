// SPDX-License-Identifier: GPL-3.0-or-later

package cmaf

import (
	"bytes"
	"math"
	"reflect"
	"testing"
	"time"
)

func chunk(base uint64, durations ...uint32) *Chunk {
	c := &Chunk{Track: 1, Sequence: 9, Base: base}
	for i, d := range durations {
		c.Samples = append(c.Samples, Sample{Duration: d, Data: []byte{byte(i), 1, 2}})
	}
	return c
}

func TestChunkRoundTrip(t *testing.T) {
	c := chunk(1<<40, 10, 20, 30)
	c.Samples[1].Offset = -5
	c.Samples[2].Flags = sampleIsNonSync
	got, err := Parse(c.Append(nil))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, c) {
		t.Errorf("got %+v, want %+v", got, c)
	}
	if got.Duration() != 60 || got.Samples[2].Sync() || !got.Samples[0].Sync() {
		t.Errorf("got %+v", got)
	}
}

func TestParseRefuses(t *testing.T) {
	good := chunk(5, 10, 20).Append(nil)
	for n := range good {
		if c, err := Parse(good[:n]); err == nil {
			// Cutting the mdat off at a box's end leaves a moof that points
			// outside.
			t.Errorf("%d of %d bytes: %+v", n, len(good), c)
		}
	}
	if _, err := Parse(append(bytes.Clone(good), good...)); err == nil {
		t.Error("two chunks in one")
	}
}

func TestJoin(t *testing.T) {
	for _, c := range []struct {
		name      string
		reordered bool
		next      *Chunk // after one that ends at 1000
		want      *Chunk // nil: unchanged
	}{
		{"no hole", false, chunk(1000, 100), nil},
		{"overlap", false, chunk(950, 100), nil},
		{"jitter", false, chunk(1050, 100), nil},
		{"hole", false, chunk(1200, 100, 100), chunk(1000, 300, 100)},
		{"too long", false, chunk(90_000+1001, 100), nil},
		{"hole among B-frames", true, chunk(1200, 100), chunk(1000, 300)},
	} {
		t.Run(c.name, func(t *testing.T) {
			var j Joiner
			first := chunk(900, 100)
			if c.reordered {
				first.Samples[0].Offset = 200
				c.want.Samples[0].Offset = 200 // stays where it is on the screen
			}
			j.Join(first.Append(nil), 90_000)
			data := c.next.Append(nil)
			before := bytes.Clone(data)
			joined, changed := j.Join(data, 90_000)
			if !bytes.Equal(data, before) {
				t.Error("its input was changed")
			}
			want := before
			if c.want != nil {
				want = c.want.Append(nil)
			}
			if changed != (c.want != nil) || !bytes.Equal(joined, want) {
				got, err := Parse(joined)
				t.Errorf("changed %v: got %+v, %v", changed, got, err)
			}
			if _, changed := j.Join(chunk(c.next.Base+c.next.Duration(), 100).Append(nil), 90_000); changed {
				t.Error("the chunk after it was changed too")
			}
		})
	}
	var j Joiner
	if data, changed := j.Join([]byte("rubbish"), 1); changed || string(data) != "rubbish" {
		t.Error("rubbish was changed")
	}
}

func TestTime(t *testing.T) {
	for _, c := range []struct {
		units uint64
		scale uint32
		want  time.Duration
	}{
		{0, 90_000, 0}, {90_000, 90_000, time.Second}, {1, 3, 333333333}, {5, 0, 0},
		{1 << 50, 1_000_000, time.Duration(1<<50) * time.Microsecond},
		{math.MaxUint32, math.MaxUint32, time.Second},
	} {
		if got := Time(c.units, c.scale); got != c.want {
			t.Errorf("%d of %d a second: %v, want %v", c.units, c.scale, got, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(chunk(5, 10, 20).Append(nil))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		var j Joiner
		j.Join(chunk(0, 1).Append(nil), 1)
		j.Join(b, 1)
		c, err := Parse(b)
		if err != nil {
			return
		}
		again, err := Parse(c.Append(nil))
		if err != nil || !reflect.DeepEqual(again, c) {
			t.Fatalf("%+v became %+v, %v", c, again, err)
		}
	})
}

func FuzzMergeInits(f *testing.F) {
	f.Add([]byte{})
	f.Fuzz(func(_ *testing.T, b []byte) {
		_, _ = MergeInits(b, b)
		_, _ = Codec(b)
	})
}
