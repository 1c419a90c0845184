// SPDX-License-Identifier: GPL-3.0-or-later

package media

import (
	"bytes"
	"fmt"
	"math/bits"
	"strings"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/av1"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/opus"

	"p2plive/internal/media/nalu"
)

// Info is what the parameter sets of a format say.
type Info struct {
	Codec         string // RFC 6381, such as "avc1.64001f"
	Width, Height uint16 // pixels, video only
	SampleRate    uint32 // hertz, audio only
	Channels      uint8  // audio only
	FrameSamples  uint32 // samples at SampleRate in a frame, AAC only
}

// Info parses the parameter sets. Its errors are ErrNotMedia or ErrUnsupported.
func (f *TrackFormat) Info() (Info, error) {
	switch f.Codec {
	case H264:
		return f.infoH264()
	case H265:
		return f.infoH265()
	case AV1:
		return f.infoAV1()
	case AAC:
		return f.infoAAC()
	case Opus:
		if f.Channels < 1 || f.Channels > 2 {
			return Info{}, fmt.Errorf("opus with %d channels: %w", f.Channels, ErrUnsupported)
		}
		return Info{Codec: "opus", SampleRate: 48000, Channels: f.Channels}, nil
	}
	return Info{}, fmt.Errorf("%q: %w", f.Codec, ErrUnsupported)
}

func pixels(width, height int) (uint16, uint16, error) {
	const most = 16384
	if width < 1 || height < 1 || width > most || height > most {
		return 0, 0, fmt.Errorf("picture of %dx%d pixels, want 1 to %d: %w", width, height, most, ErrUnsupported)
	}
	return uint16(width), uint16(height), nil
}

func (f *TrackFormat) infoH264() (info Info, err error) {
	raw := nalu.Find(nalu.H264, nalu.SPS, f.Params)
	var sps h264.SPS
	if raw == nil || nalu.Find(nalu.H264, nalu.PPS, f.Params) == nil {
		return info, fmt.Errorf("H.264 without parameter sets: %w", ErrNotMedia)
	}
	if err := sps.Unmarshal(raw); err != nil {
		return info, fmt.Errorf("H.264 parameter set: %w: %w", ErrNotMedia, err)
	}
	info.Codec = fmt.Sprintf("avc1.%02x%02x%02x", raw[1], raw[2], raw[3])
	info.Width, info.Height, err = pixels(sps.Width(), sps.Height())
	return info, err
}

func (f *TrackFormat) infoH265() (info Info, err error) {
	raw := nalu.Find(nalu.H265, nalu.SPS, f.Params)
	var sps h265.SPS
	if raw == nil || nalu.Find(nalu.H265, nalu.PPS, f.Params) == nil ||
		nalu.Find(nalu.H265, nalu.VPS, f.Params) == nil {
		return info, fmt.Errorf("H.265 without parameter sets: %w", ErrNotMedia)
	}
	if err := sps.Unmarshal(raw); err != nil {
		return info, fmt.Errorf("H.265 parameter set: %w: %w", ErrNotMedia, err)
	}
	info.Codec = codecH265(raw)
	info.Width, info.Height, err = pixels(sps.Width(), sps.Height())
	return info, err
}

// codecH265 builds the codec string of ISO/IEC 14496-15 annex E.3 from the
// profile_tier_level of an SPS that has been parsed already.
func codecH265(sps []byte) string {
	ptl := nalu.Unescape(sps)[3:]
	space := [4]string{"", "A", "B", "C"}[ptl[0]>>6]
	tier := "L"
	if ptl[0]&0x20 != 0 {
		tier = "H"
	}
	compat := uint32(ptl[1])<<24 | uint32(ptl[2])<<16 | uint32(ptl[3])<<8 | uint32(ptl[4])
	var b strings.Builder
	fmt.Fprintf(&b, "hvc1.%s%d.%x.%s%d", space, ptl[0]&0x1f, bits.Reverse32(compat), tier, ptl[11])
	constraints := ptl[5:11]
	for len(constraints) > 0 && constraints[len(constraints)-1] == 0 {
		constraints = constraints[:len(constraints)-1]
	}
	for _, c := range constraints {
		fmt.Fprintf(&b, ".%X", c)
	}
	return b.String()
}

func (f *TrackFormat) infoAV1() (info Info, err error) {
	var seq av1.SequenceHeader
	if len(f.Params) != 1 {
		return info, fmt.Errorf("AV1 without a sequence header: %w", ErrNotMedia)
	}
	if err := seq.Unmarshal(f.Params[0]); err != nil {
		return info, fmt.Errorf("AV1 sequence header: %w: %w", ErrNotMedia, err)
	}
	depth, tier := 8, "M"
	if seq.ColorConfig.BitDepth != 0 {
		depth = int(seq.ColorConfig.BitDepth)
	}
	if len(seq.SeqTier) > 0 && seq.SeqTier[0] {
		tier = "H"
	}
	var level uint8
	if len(seq.SeqLevelIdx) > 0 {
		level = seq.SeqLevelIdx[0]
	}
	info.Codec = fmt.Sprintf("av01.%d.%02d%s.%02d", seq.SeqProfile, level, tier, depth)
	info.Width, info.Height, err = pixels(seq.Width(), seq.Height())
	return info, err
}

func (f *TrackFormat) infoAAC() (info Info, err error) {
	var conf mpeg4audio.AudioSpecificConfig
	if len(f.Params) != 1 {
		return info, fmt.Errorf("AAC without a configuration: %w", ErrNotMedia)
	}
	if err := conf.Unmarshal(f.Params[0]); err != nil {
		return info, fmt.Errorf("AAC configuration: %w: %w", ErrNotMedia, err)
	}
	info.SampleRate = uint32(conf.SampleRate)
	if info.SampleRate < 1 || info.SampleRate > 192000 {
		return info, fmt.Errorf("AAC at %d Hz: %w", conf.SampleRate, ErrUnsupported)
	}
	info.Channels = conf.ChannelConfig
	if info.Channels == 7 {
		info.Channels = 8
	}
	object := conf.Type
	if conf.ExtensionType != 0 {
		object = conf.ExtensionType
	}
	info.Codec = fmt.Sprintf("mp4a.40.%d", object)
	info.FrameSamples = 1024
	if conf.FrameLengthFlag {
		info.FrameSamples = 960
	}
	return info, nil
}

// OpusSamples returns how long an Opus packet is, in samples at 48 kHz
// (RFC 6716, section 3.1), 0 if it is malformed.
func OpusSamples(packet []byte) uint32 {
	if len(packet) == 0 {
		return 0
	}
	n := opus.PacketDuration2(packet)
	if n < 0 || n > 5760 { // 120 ms, the longest packet that there may be
		return 0
	}
	return uint32(n)
}

// AV1Params finds the sequence header in configuration or frame OBUs and
// returns it in the form of TrackFormat.Params, nil if there is none.
func AV1Params(obus []byte) [][]byte {
	var tu av1.Bitstream
	if len(obus) == 0 || tu.Unmarshal(obus) != nil {
		return nil
	}
	for _, obu := range tu {
		var head av1.OBUHeader
		if head.Unmarshal(obu) == nil && head.Type == av1.OBUTypeSequenceHeader {
			return [][]byte{bytes.Clone(obu)}
		}
	}
	return nil
}
