// SPDX-License-Identifier: GPL-3.0-or-later

package rtmp

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/abema/go-mp4"
	"github.com/bluenviron/gortmplib/pkg/message"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/av1"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"

	"p2plive/internal/media"
	"p2plive/internal/media/nalu"
	"p2plive/internal/wire"
)

// videoRate is the timescale of video: RTMP's milliseconds, in the unit that
// everything else uses.
const videoRate = 90000

// track is one track of a publisher.
type track struct {
	id         uint8 // the encoder's number of it
	index      int   // in the formats, -1 if not configured yet
	format     media.TrackFormat
	configured bool
	synced     bool // video: there has been a key frame
	params     *nalu.Params
	lengthSize int
}

// unit is what a message says about a track: a configuration or a frame.
type unit struct {
	config   *config
	dts, cts time.Duration
	data     []byte
}

// config is a decoder configuration in neutral form.
type config struct {
	codec      media.Codec
	params     [][]byte
	lengthSize int
	channels   uint8
	preSkip    uint16
	sampleRate uint32
}

// parse reads a media message. It returns nil for messages without media.
func parse(msg message.Message) (*unit, error) {
	switch m := msg.(type) {
	case *message.Video:
		switch {
		case m.Type == message.VideoTypeAU:
			return &unit{dts: m.DTS, cts: signed(m.PTSDelta), data: m.AU}, nil
		case m.Type == message.VideoTypeConfig && m.AVCConfig != nil:
			return &unit{config: configH264(m.AVCConfig)}, nil
		case m.Type == message.VideoTypeConfig && m.HEVCConfig != nil:
			return &unit{config: configH265(m.HEVCConfig)}, nil
		}
	case *message.VideoExSequenceStart:
		switch {
		case m.AVCConfig != nil:
			return &unit{config: configH264(m.AVCConfig)}, nil
		case m.HEVCConfig != nil:
			return &unit{config: configH265(m.HEVCConfig)}, nil
		case m.AV1Config != nil:
			return &unit{config: &config{codec: media.AV1, params: media.AV1Params(m.AV1Config.ConfigOBUs)}}, nil
		}
		return nil, fmt.Errorf("%w: the video is VP9, want H.264, H.265 or AV1", media.ErrUnsupported)
	case *message.VideoExCodedFrames:
		return &unit{dts: m.DTS, cts: signed(m.PTSDelta), data: m.Payload}, nil
	case *message.VideoExFramesX:
		return &unit{dts: m.DTS, data: m.Payload}, nil
	case *message.Audio:
		if m.Codec != message.CodecMPEG4Audio {
			return nil, fmt.Errorf("%w: the audio is MP3 or PCM, want AAC or Opus", media.ErrUnsupported)
		}
		if m.AACType == message.AudioAACTypeAU {
			return &unit{dts: m.DTS, data: m.AU}, nil
		}
		if m.AACConfig != nil {
			return configAAC(m.AACConfig)
		}
	case *message.AudioExSequenceStart:
		switch {
		case m.AACConfig != nil:
			return configAAC(m.AACConfig)
		case m.OpusConfig != nil:
			o := m.OpusConfig
			return &unit{config: &config{codec: media.Opus, channels: o.ChannelCount,
				preSkip: o.PreSkip, sampleRate: o.InputSampleRate}}, nil
		}
		return nil, fmt.Errorf("%w: the audio is neither AAC nor Opus", media.ErrUnsupported)
	case *message.AudioExCodedFrames:
		return &unit{dts: m.DTS, data: m.Payload}, nil
	}
	return nil, nil
}

// signed reads a composition offset, which the library takes for unsigned, as
// the 24-bit signed number that it is.
func signed(d time.Duration) time.Duration {
	if d >= 1<<23*time.Millisecond {
		d -= 1 << 24 * time.Millisecond
	}
	return d
}

func configH264(c *mp4.AVCDecoderConfiguration) *config {
	var sets [][]byte
	for _, s := range c.SequenceParameterSets {
		sets = append(sets, s.NALUnit)
	}
	for _, s := range c.PictureParameterSets {
		sets = append(sets, s.NALUnit)
	}
	return &config{codec: media.H264, params: sets, lengthSize: int(c.LengthSizeMinusOne) + 1}
}

func configH265(c *mp4.HvcC) *config {
	var sets [][]byte
	for _, a := range c.NaluArrays {
		for _, n := range a.Nalus {
			sets = append(sets, n.NALUnit)
		}
	}
	return &config{codec: media.H265, params: sets, lengthSize: int(c.LengthSizeMinusOne) + 1}
}

func configAAC(c *mpeg4audio.AudioSpecificConfig) (*unit, error) {
	b, err := c.Marshal()
	if err != nil {
		return nil, fmt.Errorf("AAC configuration: %w: %w", media.ErrNotMedia, err)
	}
	return &unit{config: &config{codec: media.AAC, params: [][]byte{b}, sampleRate: uint32(c.SampleRate)}}, nil
}

// configure applies a configuration and reports whether it changed anything.
func (t *track) configure(c *config, bitrate uint32) (changed bool, err error) {
	f := media.TrackFormat{Kind: t.format.Kind, Codec: c.codec, Timescale: videoRate, Params: c.params,
		Channels: c.channels, PreSkip: c.preSkip, Bitrate: bitrate}
	t.params, t.lengthSize = nil, c.lengthSize
	switch c.codec {
	case media.H264:
		t.params = nalu.NewParams(nalu.H264, c.params)
	case media.H265:
		t.params = nalu.NewParams(nalu.H265, c.params)
	case media.AAC:
		f.Timescale = c.sampleRate
	case media.Opus:
		f.Timescale, f.SampleRate = 48000, c.sampleRate
	}
	if t.params != nil {
		if !t.params.Complete() { // they will come in band
			t.format, t.configured = f, false
			return false, nil
		}
		f.Params = t.params.Sets()
	}
	if _, err := f.Info(); err != nil {
		return false, fmt.Errorf("%w: %w", media.ErrNotMedia, err)
	}
	if t.configured && t.format.Equal(&f) {
		return false, nil
	}
	t.format, t.configured, t.synced = f, true, false
	return true, nil
}

// unpack brings a frame into the form of media.Sample.
func (t *track) unpack(u *unit) (data []byte, key, changed bool, err error) {
	switch {
	case t.format.Kind == wire.Audio:
		return u.data, true, false, nil
	case t.params != nil:
		return t.unpackUnits(u.data)
	case t.format.Codec == media.AV1:
		var tu av1.Bitstream
		if tu.Unmarshal(u.data) != nil {
			return nil, false, false, nil
		}
		if params := media.AV1Params(u.data); params != nil {
			key = true
			if !slices.EqualFunc(params, t.format.Params, bytes.Equal) {
				t.format.Params, changed = params, true
				_, err = t.format.Info()
			}
		}
		return u.data, key, changed, err
	}
	return nil, false, false, nil
}

func (t *track) unpackUnits(b []byte) (data []byte, key, changed bool, err error) {
	units, err := nalu.Split(b, t.lengthSize)
	if err != nil {
		return nil, false, false, err
	}
	rest, key, changed := t.params.Filter(units)
	if !t.params.Complete() {
		return nil, false, false, nil
	}
	if changed || !t.configured {
		t.format.Params, t.configured, changed = t.params.Sets(), true, true
		if _, err := t.format.Info(); err != nil {
			return nil, false, false, fmt.Errorf("%w: %w", media.ErrNotMedia, err)
		}
	}
	if len(rest) == 0 {
		return nil, false, changed, nil
	}
	return nalu.Join(rest), key, changed, nil
}
