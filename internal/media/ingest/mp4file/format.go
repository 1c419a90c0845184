// SPDX-License-Identifier: GPL-3.0-or-later

package mp4file

import (
	"fmt"
	"strings"

	"github.com/Eyevinn/mp4ff/hevc"
	"github.com/Eyevinn/mp4ff/mp4"

	"p2plive/internal/media"
	"p2plive/internal/media/nalu"
	"p2plive/internal/wire"
)

// newTrack reads what kind of track trak is. It returns nil for tracks that
// are neither video nor audio.
func newTrack(trak *mp4.TrakBox) (*track, error) {
	if trak.Tkhd == nil || trak.Mdia == nil || trak.Mdia.Mdhd == nil || trak.Mdia.Hdlr == nil ||
		trak.Mdia.Minf == nil || trak.Mdia.Minf.Stbl == nil || trak.Mdia.Minf.Stbl.Stsd == nil {
		return nil, fmt.Errorf("a track without a description: %w", media.ErrNotMedia)
	}
	mdhd := trak.Mdia.Mdhd
	t := &track{id: trak.Tkhd.TrackID, format: media.TrackFormat{Timescale: mdhd.Timescale}}
	if lang := mdhd.GetLanguage(); lang != "und" && isLanguage(lang) {
		t.format.Language = lang
	}
	if t.format.Timescale == 0 {
		return nil, fmt.Errorf("a track without a timescale: %w", media.ErrNotMedia)
	}
	stsd := trak.Mdia.Minf.Stbl.Stsd
	var err error
	switch trak.Mdia.Hdlr.HandlerType {
	case "vide":
		t.format.Kind = wire.Video
		err = t.describeVideo(stsd)
	case "soun":
		t.format.Kind = wire.Audio
		err = t.describeAudio(stsd)
	default:
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	_, err = t.format.Info()
	return t, err
}

func isLanguage(s string) bool {
	return len(s) == 3 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz") == ""
}

func (t *track) describeVideo(stsd *mp4.StsdBox) error {
	f := &t.format
	switch {
	case stsd.AvcX != nil && stsd.AvcX.AvcC != nil:
		conf := stsd.AvcX.AvcC
		f.Codec, t.syntax, t.lengthSize = media.H264, nalu.H264, 4
		f.Params = append(append(f.Params, conf.SPSnalus...), conf.PPSnalus...)
	case stsd.HvcX != nil && stsd.HvcX.HvcC != nil:
		conf := stsd.HvcX.HvcC
		f.Codec, t.syntax, t.lengthSize = media.H265, nalu.H265, int(conf.LengthSizeMinusOne)+1
		for _, typ := range []hevc.NaluType{hevc.NALU_VPS, hevc.NALU_SPS, hevc.NALU_PPS} {
			f.Params = append(f.Params, conf.GetNalusForType(typ)...)
		}
	case stsd.Av01 != nil && stsd.Av01.Av1C != nil:
		f.Codec = media.AV1
		f.Params = media.AV1Params(stsd.Av01.Av1C.ConfigOBUs)
	default:
		return unsupported("video", stsd, "H.264, H.265 or AV1", "-c:v libx264")
	}
	if t.syntax != 0 {
		f.Params = nalu.NewParams(t.syntax, f.Params).Sets()
	}
	return nil
}

func (t *track) describeAudio(stsd *mp4.StsdBox) error {
	f := &t.format
	switch {
	case stsd.Mp4a != nil && stsd.Mp4a.Esds != nil && isAAC(stsd.Mp4a.Esds):
		f.Codec = media.AAC
		f.Params = [][]byte{stsd.Mp4a.Esds.DecConfigDescriptor.DecSpecificInfo.DecConfig}
	case stsd.Opus != nil && stsd.Opus.Dops != nil:
		conf := stsd.Opus.Dops
		f.Codec, f.Channels = media.Opus, conf.OutputChannelCount
		f.PreSkip, f.SampleRate = conf.PreSkip, conf.InputSampleRate
	default:
		return unsupported("audio", stsd, "AAC or Opus", "-c:a aac")
	}
	return nil
}

// isAAC tells MPEG-4 audio from the MP3 that may be in the same box.
func isAAC(esds *mp4.EsdsBox) bool {
	d := esds.DecConfigDescriptor
	return d != nil && d.ObjectType == 0x40 && d.DecSpecificInfo != nil && len(d.DecSpecificInfo.DecConfig) > 0
}

var codecNames = map[string]string{
	"mp4v": "MPEG-4 part 2", "vp08": "VP8", "vp09": "VP9", "mp4a": "MP3 or another MPEG audio",
	".mp3": "MP3", "ac-3": "AC-3", "ec-3": "E-AC-3", "fLaC": "FLAC", "alac": "ALAC", "encv": "encrypted",
	"enca": "encrypted", "vvc1": "H.266", "mjpg": "Motion JPEG", "jpeg": "Motion JPEG", "apcn": "ProRes",
}

func unsupported(kind string, stsd *mp4.StsdBox, want, option string) error {
	name := "nothing known"
	if len(stsd.Children) > 0 {
		box := stsd.Children[0].Type()
		name = fmt.Sprintf("%q", box)
		if known, ok := codecNames[box]; ok {
			name = known
		}
	}
	return fmt.Errorf("%w: the %s is %s, want %s: convert it with ffmpeg %s", media.ErrUnsupported, kind, name, want, option)
}
