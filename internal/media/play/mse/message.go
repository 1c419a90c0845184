// SPDX-License-Identifier: GPL-3.0-or-later

package mse

import (
	"encoding/binary"

	"p2plive/internal/live"
	"p2plive/internal/wire"
)

// Types of binary messages.
const (
	typeFragment = 1
	typeInit     = 2
)

// Flags of a fragment's header.
const (
	flagKey    = 1 << 0 // decoding can start here
	flagJoined = 1 << 1 // its times were changed to close a hole before it
)

// headerSize is the length of a binary message's header. The header tells its
// own length, so that it can grow without breaking older pages.
const headerSize = 32

// appendHeader starts a binary message:
//
//	 0  type      u8   1 fragment, 2 init segment
//	 1  track     u8
//	 2  flags     u8   1 key, 2 joined
//	 3  header    u8   length of this header
//	 4  sequence  u32  zero for an init segment, as are the next three
//	 8  base      u64  decode time in units of the timescale
//	16  duration  u32  in units of the timescale
//	20  wall      i64  source's clock, Unix milliseconds
//	28  timescale u32  units a second
func appendHeader(b []byte, kind, flags byte, t *wire.Track, f *live.Fragment) []byte {
	if f == nil {
		f = &live.Fragment{}
	}
	be := binary.BigEndian
	b = append(b, kind, byte(t.ID), flags, headerSize)
	b = be.AppendUint32(b, uint32(f.Seq))
	b = be.AppendUint64(b, f.Base)
	b = be.AppendUint32(b, f.Duration)
	b = be.AppendUint64(b, uint64(f.Wall))
	return be.AppendUint32(b, t.Timescale)
}

// Text messages are JSON objects that tell their kind in "type".
type (
	catalogMessage struct {
		Type     string       `json:"type"` // "catalog"
		Stream   string       `json:"stream"`
		Epoch    uint64       `json:"epoch"`
		Version  uint32       `json:"version"`
		Title    string       `json:"title"`
		Ended    bool         `json:"ended"`
		Tracks   []trackEntry `json:"tracks"`
		Selected []int        `json:"selected"` // the tracks whose init segments and fragments follow
	}
	trackEntry struct {
		ID         uint8  `json:"id"`
		Kind       string `json:"kind"` // "video" or "audio"
		Codec      string `json:"codec"`
		Bitrate    uint32 `json:"bitrate,omitempty"`
		Width      uint16 `json:"width,omitempty"`
		Height     uint16 `json:"height,omitempty"`
		SampleRate uint32 `json:"sample_rate,omitempty"`
		Channels   uint8  `json:"channels,omitempty"`
		Language   string `json:"language,omitempty"`
		Rendition  string `json:"rendition,omitempty"`
	}
	statusMessage struct {
		Type   string `json:"type"`   // "status"
		Now    int64  `json:"now"`    // this side's clock, Unix milliseconds
		Status any    `json:"status"` // what Options.Status returned, or null
	}
	missedMessage struct {
		Type  string `json:"type"` // "missed"
		Track uint8  `json:"track"`
		Seq   uint32 `json:"seq"`
	}
	plainMessage struct {
		Type string `json:"type"` // "skipped" or "closed"
	}
)

func newCatalogMessage(c *wire.Catalog, selected []*wire.Track) catalogMessage {
	m := catalogMessage{
		Type: "catalog", Stream: c.Stream.String(), Epoch: uint64(c.Epoch), Version: c.Version,
		Title: c.Title, Ended: c.Ended, Tracks: []trackEntry{}, Selected: []int{},
	}
	for i := range c.Tracks {
		t := &c.Tracks[i]
		kind := "video"
		if t.Kind == wire.Audio {
			kind = "audio"
		}
		m.Tracks = append(m.Tracks, trackEntry{
			ID: uint8(t.ID), Kind: kind, Codec: t.Codec, Bitrate: t.Bitrate, Width: t.Width, Height: t.Height,
			SampleRate: t.SampleRate, Channels: t.Channels, Language: t.Language, Rendition: t.Rendition,
		})
	}
	for _, t := range selected {
		m.Selected = append(m.Selected, int(t.ID))
	}
	return m
}
