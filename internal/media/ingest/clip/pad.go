// SPDX-License-Identifier: GPL-3.0-or-later

package clip

import (
	"encoding/binary"

	"p2plive/internal/media"
	"p2plive/internal/wire"
)

// keyShare is how much larger a key frame is than others when the clip is
// padded: about what encoders make of a second at a constant rate.
const keyShare = 5

// minPad is the least that can be added to a frame: a length and a filler NAL
// unit (H.264, 7.3.2.7) without filling.
const minPad = 4 + 2

// padder fills the pictures up, so that the stream has a certain rate, and
// leaves their number and time as they are.
type padder struct {
	media.Sink
	rate  int64 // bits a second of all tracks
	video int   // index of the video track
	size  int   // bytes of a frame that is not a key frame
}

func (p *padder) Formats(formats []media.TrackFormat) error {
	padded := append([]media.TrackFormat(nil), formats...)
	left := p.rate
	for i, f := range padded {
		if f.Kind == wire.Video {
			p.video = i
		} else {
			left -= int64(f.Bitrate)
		}
	}
	left = max(left, int64(padded[p.video].Bitrate))
	padded[p.video].Bitrate = uint32(left)
	p.size = int(left / 8 / (FrameRate - 1 + keyShare))
	return p.Sink.Formats(padded)
}

func (p *padder) Sample(s media.Sample) error {
	if s.Track == p.video {
		size := p.size
		if s.Key {
			size *= keyShare
		}
		s.Data = pad(s.Data, size)
	}
	return p.Sink.Sample(s)
}

// pad returns a frame of that size, or the frame as it is where that is not
// smaller.
func pad(frame []byte, size int) []byte {
	n := size - len(frame)
	if n < minPad {
		return frame
	}
	const filler = 12 // nal_unit_type
	padded := make([]byte, len(frame), size)
	copy(padded, frame)
	padded = binary.BigEndian.AppendUint32(padded, uint32(n-4))
	padded = append(padded, filler)
	for len(padded) < size-1 {
		padded = append(padded, 0xff)
	}
	return append(padded, 0x80) // rbsp_trailing_bits
}
