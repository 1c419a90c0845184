// SPDX-License-Identifier: GPL-3.0-or-later

package cmaf

import "encoding/binary"

// Flags of tfhd and trun (ISO/IEC 14496-12, 8.8.7 and 8.8.8).
const (
	tfhdBaseDataOffset = 0x01
	tfhdDescription    = 0x02
	tfhdDuration       = 0x08
	tfhdSize           = 0x10
	tfhdFlags          = 0x20
	tfhdBaseIsMoof     = 0x020000
	trunDataOffset     = 0x01
	trunFirstFlags     = 0x04
	trunDuration       = 0x100
	trunSize           = 0x200
	trunFlags          = 0x400
	trunOffset         = 0x800
	sampleIsNonSync    = 0x010000
)

// Sample is one access unit.
type Sample struct {
	Duration uint32 // until the next one is decoded, in the track's timescale
	Offset   int32  // from its decoding to its showing, in the track's timescale
	Flags    uint32 // ISO/IEC 14496-12, 8.8.3.1
	Data     []byte
}

// Sync reports whether decoding can start with the sample.
func (s *Sample) Sync() bool { return s.Flags&sampleIsNonSync == 0 }

// Chunk is one moof with its mdat, of one track.
type Chunk struct {
	Track    uint32 // id in its init segment
	Sequence uint32
	Base     uint64 // decode time of its first sample, in the track's timescale
	Samples  []Sample
}

// Duration returns the sum of the samples' durations, in the track's timescale.
func (c *Chunk) Duration() uint64 {
	var d uint64
	for i := range c.Samples {
		d += uint64(c.Samples[i].Duration)
	}
	return d
}

// Parse reads a chunk. The samples' data are parts of b.
func Parse(b []byte) (*Chunk, error) {
	var c *Chunk
	var moof []byte // from its start to the end of b
	for rest := b; len(rest) > 0; {
		x, after, err := next(rest)
		if err != nil {
			return nil, err
		}
		if x.kind == "moof" {
			if c != nil {
				return nil, ErrMalformed
			}
			moof = rest
			c = &Chunk{}
			if err := c.readMoof(x.body, moof); err != nil {
				return nil, err
			}
		}
		rest = after
	}
	if c == nil || len(c.Samples) == 0 {
		return nil, ErrMalformed
	}
	return c, nil
}

func (c *Chunk) readMoof(b, moof []byte) error {
	trafs := 0
	return each(b, func(x box) error {
		switch x.kind {
		case "mfhd":
			_, _, rest, err := fullBox(x.body)
			w := words{b: rest}
			c.Sequence = w.u32()
			if err != nil || w.bad {
				return ErrMalformed
			}
		case "traf":
			if trafs++; trafs > 1 {
				return ErrMalformed
			}
			return c.readTraf(x.body, moof)
		}
		return nil
	})
}

// defaults are what tfhd says for samples that say nothing themselves.
type defaults struct{ duration, size, flags uint32 }

func (c *Chunk) readTraf(b, moof []byte) error {
	var d defaults
	var end int // of the previous run's data, from the start of moof
	return each(b, func(x box) error {
		version, flags, rest, err := fullBox(x.body)
		w := words{b: rest}
		switch x.kind {
		case "tfhd":
			if flags&tfhdBaseDataOffset != 0 {
				return ErrMalformed // CMAF counts from the moof
			}
			c.Track = w.u32()
			if flags&tfhdDescription != 0 {
				w.u32()
			}
			if flags&tfhdDuration != 0 {
				d.duration = w.u32()
			}
			if flags&tfhdSize != 0 {
				d.size = w.u32()
			}
			if flags&tfhdFlags != 0 {
				d.flags = w.u32()
			}
		case "tfdt":
			if version == 0 {
				c.Base = uint64(w.u32())
			} else {
				c.Base = w.u64()
			}
		case "trun":
			if err == nil {
				end, err = c.readTrun(flags, &w, d, moof, end)
			}
		default:
			return nil
		}
		if err != nil || w.bad {
			return ErrMalformed
		}
		return nil
	})
}

func (c *Chunk) readTrun(flags uint32, w *words, d defaults, moof []byte, at int) (end int, err error) {
	count := w.u32()
	if count > maxSamples || len(c.Samples)+int(count) > maxSamples {
		return 0, ErrMalformed
	}
	if flags&trunDataOffset != 0 {
		at = int(int32(w.u32()))
	}
	first, hasFirst := uint32(0), flags&trunFirstFlags != 0
	if hasFirst {
		first = w.u32()
	}
	for i := range count {
		s := Sample{Duration: d.duration, Flags: d.flags}
		size := d.size
		if flags&trunDuration != 0 {
			s.Duration = w.u32()
		}
		if flags&trunSize != 0 {
			size = w.u32()
		}
		if flags&trunFlags != 0 {
			s.Flags = w.u32()
		} else if i == 0 && hasFirst {
			s.Flags = first
		}
		if flags&trunOffset != 0 {
			// Version 0 has no sign, but no offset reaches 2^31 either.
			s.Offset = int32(w.u32())
		}
		if w.bad || at < 0 || at > len(moof) || uint64(size) > uint64(len(moof)-at) {
			return 0, ErrMalformed
		}
		s.Data = moof[at : at+int(size)]
		at += int(size)
		c.Samples = append(c.Samples, s)
	}
	return at, nil
}

// Append writes the chunk as moof and mdat.
func (c *Chunk) Append(b []byte) []byte {
	be := binary.BigEndian
	size, offsets, flags := 0, false, uint32(trunDataOffset|trunDuration|trunSize|trunFlags)
	for i := range c.Samples {
		size += len(c.Samples[i].Data)
		offsets = offsets || c.Samples[i].Offset != 0
	}
	if offsets {
		flags |= trunOffset
	}
	b, moof := open(b, "moof")
	b, at := open(b, "mfhd")
	b = be.AppendUint32(b, 0)
	b = be.AppendUint32(b, c.Sequence)
	shut(b, at)
	b, traf := open(b, "traf")
	b, at = open(b, "tfhd")
	b = be.AppendUint32(b, tfhdBaseIsMoof)
	b = be.AppendUint32(b, c.Track)
	shut(b, at)
	b, at = open(b, "tfdt")
	b = be.AppendUint32(b, 1<<24)
	b = be.AppendUint64(b, c.Base)
	shut(b, at)
	b, at = open(b, "trun")
	b = be.AppendUint32(b, 1<<24|flags)
	b = be.AppendUint32(b, uint32(len(c.Samples)))
	dataOffset := len(b)
	b = be.AppendUint32(b, 0)
	for i := range c.Samples {
		s := &c.Samples[i]
		b = be.AppendUint32(b, s.Duration)
		b = be.AppendUint32(b, uint32(len(s.Data)))
		b = be.AppendUint32(b, s.Flags)
		if offsets {
			b = be.AppendUint32(b, uint32(s.Offset))
		}
	}
	shut(b, at)
	shut(b, traf)
	shut(b, moof)
	be.PutUint32(b[dataOffset:], uint32(len(b)-moof+8))
	b = be.AppendUint32(b, uint32(8+size))
	b = append(b, "mdat"...)
	for i := range c.Samples {
		b = append(b, c.Samples[i].Data...)
	}
	return b
}
