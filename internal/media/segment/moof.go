// SPDX-License-Identifier: GPL-3.0-or-later

package segment

import (
	"encoding/binary"

	"p2plive/internal/wire"
)

// frame is a sample as it lies in a fragment.
type frame struct {
	duration uint32
	cts      int32 // PTS - DTS
	key      bool
	data     []byte
}

// Flags of ISO/IEC 14496-12, 8.8.
const (
	tfhdDuration = 0x000008
	tfhdFlags    = 0x000020
	tfhdMoofBase = 0x020000

	trunDataOffset = 0x000001
	trunDuration   = 0x000100
	trunSize       = 0x000200
	trunFlags      = 0x000400
	trunCTS        = 0x000800

	sampleIsKey  = 0x02000000 // depends on no other
	sampleNotKey = 0x01010000 // depends on others, not a sync sample
)

// marshalFragment lays out a CMAF chunk, moof and mdat, of one track. It says
// everything itself and relies on no default of the header. A video frame
// costs 108 bytes (112 with a composition offset), four audio frames 120.
func marshalFragment(id wire.TrackID, seq wire.Seq, base uint64, frames []frame) []byte {
	uniform, offsets, media := true, false, 0
	for i := range frames {
		uniform = uniform && frames[i].key && frames[i].duration == frames[0].duration
		offsets = offsets || frames[i].cts != 0
		media += len(frames[i].data)
	}
	uniform = uniform && len(frames) > 1
	b := make([]byte, 0, 128+16*len(frames)+media)
	u32 := func(v uint32) { b = binary.BigEndian.AppendUint32(b, v) }
	open := func(name string) int { b = append(append(b, 0, 0, 0, 0), name...); return len(b) - 8 }
	shut := func(at int) { binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at)) }

	moof := open("moof")
	mfhd := open("mfhd")
	u32(0)
	u32(uint32(seq))
	shut(mfhd)
	traf := open("traf")

	tfhd := open("tfhd")
	if uniform {
		u32(tfhdMoofBase | tfhdDuration | tfhdFlags)
		u32(uint32(id))
		u32(frames[0].duration)
		u32(sampleIsKey)
	} else {
		u32(tfhdMoofBase)
		u32(uint32(id))
	}
	shut(tfhd)

	tfdt := open("tfdt")
	u32(1 << 24)
	b = binary.BigEndian.AppendUint64(b, base)
	shut(tfdt)

	trun := open("trun")
	flags := uint32(1<<24 | trunDataOffset | trunSize) // version 1: signed offsets
	if !uniform {
		flags |= trunDuration | trunFlags
	}
	if offsets {
		flags |= trunCTS
	}
	u32(flags)
	u32(uint32(len(frames)))
	dataOffset := len(b)
	u32(0)
	for i := range frames {
		f := &frames[i]
		if !uniform {
			u32(f.duration)
		}
		u32(uint32(len(f.data)))
		if !uniform {
			u32(f.flags())
		}
		if offsets {
			u32(uint32(f.cts))
		}
	}
	shut(trun)
	shut(traf)
	shut(moof)
	binary.BigEndian.PutUint32(b[dataOffset:], uint32(len(b)-moof+8))

	mdat := open("mdat")
	for i := range frames {
		b = append(b, frames[i].data...)
	}
	shut(mdat)
	return b
}

func (f *frame) flags() uint32 {
	if f.key {
		return sampleIsKey
	}
	return sampleNotKey
}
