// SPDX-License-Identifier: GPL-3.0-or-later

package wire

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
)

func testCatalog() *Catalog {
	return &Catalog{
		Stream: StreamID{1, 31: 2}, Epoch: 1700000000123, Version: 7, Ended: true, Title: "Evening news",
		Tracks: []Track{
			{
				ID: 1, Kind: Video, Substreams: 4, Codec: "avc1.64001f", Timescale: 90000, Bitrate: 2_500_000,
				Width: 1280, Height: 720, Rendition: "720p", From: 12, Init: []byte("ftyp moov"),
			},
			{
				ID: 200, Kind: Audio, Substreams: MaxSubstreams, Codec: "mp4a.40.2", Timescale: 48000,
				SampleRate: 48000, Channels: 2, Language: "de", Init: []byte{0},
			},
		},
	}
}

func TestCatalogRoundTrip(t *testing.T) {
	for name, c := range map[string]*Catalog{"full": testCatalog(), "empty": {}} {
		b := AppendCatalog(nil, c)
		got, err := ParseCatalog(b)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !reflect.DeepEqual(got, c) {
			t.Errorf("%s: parsed %+v, want %+v", name, got, c)
		}
		for n := range b {
			if _, err := ParseCatalog(b[:n:n]); !errors.Is(err, ErrMalformed) {
				t.Errorf("%s: the first %d of %d bytes: %v", name, n, len(b), err)
			}
		}
	}
}

func TestMalformedCatalogs(t *testing.T) {
	cases := map[string]func(*Catalog){
		"title":        func(c *Catalog) { c.Title = strings.Repeat("x", maxText+1) },
		"track 0":      func(c *Catalog) { c.Tracks[0].ID = 0 },
		"same track":   func(c *Catalog) { c.Tracks[1].ID = c.Tracks[0].ID },
		"kind":         func(c *Catalog) { c.Tracks[0].Kind = 3 },
		"timescale":    func(c *Catalog) { c.Tracks[0].Timescale = 0 },
		"no substream": func(c *Catalog) { c.Tracks[0].Substreams = 0 },
		"substreams":   func(c *Catalog) { c.Tracks[0].Substreams = MaxSubstreams + 1 },
		"init":         func(c *Catalog) { c.Tracks[0].Init = make([]byte, maxInit+1) },
		"tracks": func(c *Catalog) {
			c.Tracks = make([]Track, MaxTracks+1)
			for i := range c.Tracks {
				c.Tracks[i] = Track{ID: TrackID(i + 1), Kind: Video, Timescale: 1, Substreams: 1}
			}
		},
	}
	for name, change := range cases {
		c := testCatalog()
		change(c)
		if _, err := ParseCatalog(AppendCatalog(nil, c)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: parsed, %v", name, err)
		}
	}
	if _, err := ParseCatalog(make([]byte, MaxCatalog+1)); !errors.Is(err, ErrMalformed) {
		t.Errorf("too long: parsed, %v", err)
	}
}

func TestCatalogNewer(t *testing.T) {
	old := &Catalog{Epoch: 5, Version: 5}
	for _, c := range []struct {
		epoch   Epoch
		version uint32
		want    bool
	}{{5, 5, false}, {5, 6, true}, {5, 4, false}, {6, 0, true}, {4, 9, false}} {
		if got := (&Catalog{Epoch: c.epoch, Version: c.version}).Newer(old); got != c.want {
			t.Errorf("epoch %d version %d: newer %v", c.epoch, c.version, got)
		}
	}
	if !old.Newer(nil) {
		t.Error("a catalog is newer than none")
	}
}

func TestCatalogTrack(t *testing.T) {
	c := testCatalog()
	if got := c.Track(200); got != &c.Tracks[1] {
		t.Errorf("track 200 is %+v", got)
	}
	if got := c.Track(3); got != nil {
		t.Errorf("track 3 is %+v", got)
	}
}

func FuzzParseCatalog(f *testing.F) {
	f.Add(AppendCatalog(nil, testCatalog()))
	f.Add(AppendCatalog(nil, &Catalog{}))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ParseCatalog(bytes.Clone(b))
		if err != nil {
			return
		}
		if again := AppendCatalog(nil, c); !bytes.Equal(again, b) {
			t.Fatalf("%x became %x", b, again)
		}
	})
}
