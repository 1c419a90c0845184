// SPDX-License-Identifier: GPL-3.0-or-later

package wire

import "encoding/binary"

const (
	// MaxTracks bounds a stream: a few renditions and languages.
	MaxTracks = 16
	// MaxSubstreams bounds the trees of a track: beyond 8 lag grows again.
	MaxSubstreams = 16
	// MaxCatalog bounds an encoded catalog, so that it fits one message.
	MaxCatalog = 60 << 10

	maxInit = 8 << 10
	maxText = 256
)

// TrackKind says what a track carries.
type TrackKind uint8

// Kinds of tracks.
const (
	Video TrackKind = 1 + iota
	Audio
)

// Track describes one track of a stream.
type Track struct {
	ID         TrackID
	Kind       TrackKind
	Substreams uint8  // K: trees that the track's pieces are dealt to, 1 to MaxSubstreams
	Codec      string // RFC 6381, such as "avc1.64001f"
	Timescale  uint32 // units a second of Base and Duration
	Bitrate    uint32 // bits a second, an estimate; 0 if not known
	Width      uint16 // pixels, video only
	Height     uint16 // pixels, video only
	SampleRate uint32 // hertz, audio only
	Channels   uint8  // audio only
	Language   string // BCP 47, may be empty
	Rendition  string // such as "720p", may be empty
	From       Seq    // first fragment that Init is for
	Init       []byte // CMAF header (ftyp+moov) with this one track
}

// Catalog lists the tracks of a stream. A newer version, or any version of a
// newer epoch, replaces an older one.
type Catalog struct {
	Stream  StreamID
	Epoch   Epoch
	Version uint32
	Ended   bool // the source has said good-bye: nothing follows in this epoch
	Title   string
	Tracks  []Track
}

// Track returns the track with the given id, or nil.
func (c *Catalog) Track(id TrackID) *Track {
	for i := range c.Tracks {
		if c.Tracks[i].ID == id {
			return &c.Tracks[i]
		}
	}
	return nil
}

// Newer reports whether c replaces old, which may be nil.
func (c *Catalog) Newer(old *Catalog) bool {
	if old == nil || c.Epoch != old.Epoch {
		return old == nil || c.Epoch > old.Epoch
	}
	return c.Version > old.Version
}

const flagEnded = 1

// AppendCatalog appends the catalog's encoding, without a signature.
func AppendCatalog(b []byte, c *Catalog) []byte {
	b = append(b, c.Stream[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(c.Epoch))
	b = binary.BigEndian.AppendUint32(b, c.Version)
	var flags byte
	if c.Ended {
		flags |= flagEnded
	}
	b = append(b, flags)
	b = appendString(b, c.Title)
	b = append(b, byte(len(c.Tracks)))
	for i := range c.Tracks {
		t := &c.Tracks[i]
		b = append(b, byte(t.ID), byte(t.Kind), t.Substreams)
		b = appendString(b, t.Codec)
		b = binary.BigEndian.AppendUint32(b, t.Timescale)
		b = binary.BigEndian.AppendUint32(b, t.Bitrate)
		b = binary.BigEndian.AppendUint16(b, t.Width)
		b = binary.BigEndian.AppendUint16(b, t.Height)
		b = binary.BigEndian.AppendUint32(b, t.SampleRate)
		b = append(b, t.Channels)
		b = appendString(b, t.Language)
		b = appendString(b, t.Rendition)
		b = binary.BigEndian.AppendUint32(b, uint32(t.From))
		b = appendBytes(b, t.Init)
	}
	return b
}

// ParseCatalog reads what AppendCatalog wrote. It keeps parts of b.
func ParseCatalog(b []byte) (*Catalog, error) {
	if len(b) > MaxCatalog {
		return nil, ErrMalformed
	}
	r := reader{b: b}
	c := &Catalog{Stream: r.id(), Epoch: Epoch(r.u64()), Version: r.u32()}
	flags := r.u8()
	c.Ended = flags&flagEnded != 0
	c.Title = r.str(maxText)
	n := int(r.u8())
	if n > MaxTracks {
		return nil, ErrMalformed
	}
	for range n {
		t := Track{ID: TrackID(r.u8()), Kind: TrackKind(r.u8()), Substreams: r.u8()}
		t.Codec = r.str(maxText)
		t.Timescale = r.u32()
		t.Bitrate = r.u32()
		t.Width = r.u16()
		t.Height = r.u16()
		t.SampleRate = r.u32()
		t.Channels = r.u8()
		t.Language = r.str(maxText)
		t.Rendition = r.str(maxText)
		t.From = Seq(r.u32())
		t.Init = r.bytes(maxInit)
		if r.bad || !t.valid() || c.Track(t.ID) != nil {
			return nil, ErrMalformed
		}
		c.Tracks = append(c.Tracks, t)
	}
	if err := r.end(); err != nil || flags&^flagEnded != 0 {
		return nil, ErrMalformed
	}
	return c, nil
}

func (t *Track) valid() bool {
	return t.ID != 0 && (t.Kind == Video || t.Kind == Audio) && t.Timescale != 0 &&
		t.Substreams >= 1 && t.Substreams <= MaxSubstreams
}
