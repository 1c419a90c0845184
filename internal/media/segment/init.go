// SPDX-License-Identifier: GPL-3.0-or-later

package segment

import (
	"bytes"
	"fmt"

	"github.com/Eyevinn/mp4ff/av1"
	"github.com/Eyevinn/mp4ff/avc"
	"github.com/Eyevinn/mp4ff/mp4"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"

	"p2plive/internal/media"
	"p2plive/internal/media/nalu"
	"p2plive/internal/wire"
)

// initSegment builds the CMAF header (ISO/IEC 23000-19, 7.3.1) of a track. The
// MP4 track id is the track's own, so headers can be merged.
func initSegment(id wire.TrackID, f *media.TrackFormat, info media.Info) (data []byte, err error) {
	defer func() {
		// The library parses parameter sets that come from strangers.
		if p := recover(); p != nil {
			data, err = nil, fmt.Errorf("%s parameter sets: %w", f.Codec, media.ErrNotMedia)
		}
	}()
	kind, language := "video", f.Language
	if f.Kind == wire.Audio {
		kind = "audio"
	}
	if language == "" {
		language = "und"
	}
	seg := mp4.CreateEmptyInit()
	trak := seg.AddEmptyTrack(f.Timescale, kind, language)
	trak.Tkhd.TrackID = uint32(id)
	seg.Moov.Mvhd.NextTrackID = uint32(id) + 1
	seg.Moov.Mvex.Trex.TrackID = uint32(id)

	entry, err := sampleEntry(f, info)
	if err != nil {
		return nil, fmt.Errorf("%s parameter sets: %w: %w", f.Codec, media.ErrNotMedia, err)
	}
	trak.Mdia.Minf.Stbl.Stsd.AddChild(entry)
	trak.Tkhd.Width = mp4.Fixed32(info.Width) << 16
	trak.Tkhd.Height = mp4.Fixed32(info.Height) << 16

	var b bytes.Buffer
	if err := seg.Encode(&b); err != nil {
		return nil, err
	}
	if b.Len() > maxInit {
		return nil, fmt.Errorf("%s parameter sets of %d bytes: %w", f.Codec, b.Len(), media.ErrUnsupported)
	}
	return b.Bytes(), nil
}

func sampleEntry(f *media.TrackFormat, info media.Info) (mp4.Box, error) {
	switch f.Codec {
	case media.H264:
		conf, err := avcConfig(f)
		return mp4.CreateVisualSampleEntryBox("avc1", info.Width, info.Height, conf), err
	case media.H265:
		conf, err := mp4.CreateHvcC(setsOf(nalu.H265, nalu.VPS, f), setsOf(nalu.H265, nalu.SPS, f),
			setsOf(nalu.H265, nalu.PPS, f), true, true, true, true)
		if err != nil {
			return nil, err
		}
		return mp4.CreateVisualSampleEntryBox("hvc1", info.Width, info.Height, conf), nil
	case media.AV1:
		conf, err := av1Config(f)
		return mp4.CreateVisualSampleEntryBox("av01", info.Width, info.Height, conf), err
	case media.AAC:
		return audioEntry("mp4a", info, mp4.CreateEsdsBox(f.Params[0])), nil
	case media.Opus:
		rate := f.SampleRate
		if rate == 0 {
			rate = 48000
		}
		return audioEntry("Opus", info, &mp4.DopsBox{
			OutputChannelCount: f.Channels, PreSkip: f.PreSkip, InputSampleRate: rate,
		}), nil
	}
	return nil, media.ErrUnsupported
}

func audioEntry(name string, info media.Info, config mp4.Box) mp4.Box {
	rate := uint16(0) // has no room for more than 65,535 Hz: the config tells
	if info.SampleRate <= 0xffff {
		rate = uint16(info.SampleRate)
	}
	return mp4.CreateAudioSampleEntryBox(name, uint16(info.Channels), 16, rate, config)
}

func setsOf(s nalu.Syntax, c nalu.Class, f *media.TrackFormat) [][]byte {
	var out [][]byte
	for _, u := range f.Params {
		if s.Classify(u) == c {
			out = append(out, u)
		}
	}
	return out
}

func avcConfig(f *media.TrackFormat) (*mp4.AvcCBox, error) {
	sets := setsOf(nalu.H264, nalu.SPS, f)
	var sps h264.SPS
	if err := sps.Unmarshal(sets[0]); err != nil {
		return nil, err
	}
	conf := avc.DecConfRec{
		AVCProfileIndication: sets[0][1], ProfileCompatibility: sets[0][2], AVCLevelIndication: sets[0][3],
		SPSnalus: sets, PPSnalus: setsOf(nalu.H264, nalu.PPS, f),
	}
	switch sps.ProfileIdc {
	case 66, 77, 88: // have no trailing fields, ISO/IEC 14496-15, 5.3.3.1.2
		conf.NoTrailingInfo = true
	default:
		conf.ChromaFormat = byte(sps.ChromaFormatIdc)
		conf.BitDepthLumaMinus1 = byte(sps.BitDepthLumaMinus8)
		conf.BitDepthChromaMinus1 = byte(sps.BitDepthChromaMinus8)
	}
	return &mp4.AvcCBox{DecConfRec: conf}, nil
}

func av1Config(f *media.TrackFormat) (*mp4.Av1CBox, error) {
	obu := f.Params[0] // without a size field, which configOBUs must have
	seq, err := av1.ParseSequenceHeader(obu[1:])
	if err != nil {
		return nil, err
	}
	sized := []byte{obu[0] | 0x02}
	for n := len(obu) - 1; ; n >>= 7 {
		if n < 0x80 {
			sized = append(sized, byte(n))
			break
		}
		sized = append(sized, byte(n)|0x80)
	}
	sized = append(sized, obu[1:]...)
	return &mp4.Av1CBox{CodecConfRec: av1.CodecConfRecFromSequenceHeader(seq, sized)}, nil
}
