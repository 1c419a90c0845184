// SPDX-License-Identifier: GPL-3.0-or-later

package rtmp

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"github.com/bluenviron/gortmplib/pkg/amf0"
	"github.com/bluenviron/gortmplib/pkg/bytecounter"
	"github.com/bluenviron/gortmplib/pkg/message"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/opus"

	"p2plive/internal/live"
	"p2plive/internal/media/segment"
	"p2plive/internal/wire"
)

// script is a connection that says what it has to say and hears nothing.
type script struct {
	net.Conn
	io.Reader
}

func (s script) Read(b []byte) (int, error)       { return s.Reader.Read(b) }
func (s script) Write(b []byte) (int, error)      { return len(b), nil }
func (s script) Close() error                     { return nil }
func (s script) SetReadDeadline(time.Time) error  { return nil }
func (s script) SetWriteDeadline(time.Time) error { return nil }

func FuzzHandshake(f *testing.F) {
	hello := append([]byte{3}, make([]byte, 2*1536)...)
	var commands bytes.Buffer
	w := message.NewWriter(&commands, bytecounter.NewWriter(&commands), false)
	for _, cmd := range []*message.CommandAMF0{
		{ChunkStreamID: 3, Name: "connect", CommandID: 1, Arguments: []any{amf0.Object{
			{Key: "app", Value: "live"}, {Key: "tcUrl", Value: "rtmp://localhost/live"}}}},
		{ChunkStreamID: 3, Name: "createStream", CommandID: 2, Arguments: []any{nil}},
		{ChunkStreamID: 4, Name: "publish", CommandID: 3, Arguments: []any{nil, "key", "live"}},
	} {
		if err := w.Write(cmd); err != nil {
			f.Fatal(err)
		}
	}
	whole := append(hello, commands.Bytes()...)
	if key, err := newConn(script{Reader: bytes.NewReader(whole)}).handshake(); err != nil || key != "key" {
		f.Fatal(key, err)
	}
	f.Add(whole)
	f.Add(append([]byte{6}, whole[1:]...))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = newConn(script{Reader: bytes.NewReader(data)}).handshake()
	})
}

type nowhere struct{}

func (nowhere) Catalog(*wire.Catalog) error   { return nil }
func (nowhere) Fragment(*live.Fragment) error { return nil }

func FuzzMessages(f *testing.F) {
	sps := []byte{0x67, 0x42, 0xc0, 0x0d, 0xda, 0x05, 0x06, 0x7e, 0x7c, 0x04, 0x40, 0x00, 0x00, 0x03, 0x00, 0x40, 0x00, 0x00, 0x0f, 0x23, 0xc5, 0x0a, 0xa8}
	avc := append([]byte{0x17, 0, 0, 0, 0, 1, 0x42, 0xc0, 0x0d, 0xff, 0xe1, 0, byte(len(sps))}, sps...)
	avc = append(avc, 1, 0, 4, 0x68, 0xce, 0x0f, 0xc8)
	var b bytes.Buffer
	w := message.NewWriter(&b, bytecounter.NewWriter(&b), false)
	for _, m := range []message.Message{
		&message.DataAMF0{ChunkStreamID: 4, Payload: amf0.Data{"@setDataFrame", "onMetaData", amf0.Object{
			{Key: "videocodecid", Value: 7.0}, {Key: "audiocodecid", Value: 10.0}, {Key: "audiodatarate", Value: 128.0}}}},
		&message.Audio{ChunkStreamID: 4, Codec: message.CodecMPEG4Audio, AACType: message.AudioAACTypeConfig,
			AACConfig: &mpeg4audio.AudioSpecificConfig{Type: 2, SampleRate: 48000, ChannelConfig: 2}},
		&message.Video{ChunkStreamID: 6, Codec: message.CodecH264, Type: message.VideoTypeAU, IsKeyFrame: true,
			AU: append([]byte{0, 0, 0, byte(len(sps))}, append(sps, 0, 0, 0, 4, 0x68, 0xce, 0x0f, 0xc8, 0, 0, 0, 2, 0x65, 1)...)},
		&message.Audio{ChunkStreamID: 4, Codec: message.CodecMPEG4Audio, AACType: message.AudioAACTypeAU, DTS: time.Second, AU: []byte{1, 2}},
		&message.AudioExSequenceStart{ChunkStreamID: 4, FourCC: message.FourCCOpus,
			OpusConfig: &opus.IDHeader{Version: 1, ChannelCount: 2, InputSampleRate: 48000}},
		&message.AudioExCodedFrames{ChunkStreamID: 4, FourCC: message.FourCCOpus, Payload: []byte{0xfc, 1}},
		&message.VideoExFramesX{ChunkStreamID: 6, FourCC: message.FourCCAVC, Payload: []byte{0, 0, 0, 2, 0x65, 1}},
	} {
		if err := w.Write(m); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(b.Bytes())
	f.Add(append([]byte{6, 0, 0, 0, 0, 0, byte(len(avc)), 9, 1, 0, 0, 0}, avc...))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bytes.NewReader(data)
		reader := message.NewReader(r, bytecounter.NewReader(r), func(uint32) error { return nil })
		seg := segment.New(segment.Config{}, nowhere{})
		p := newPublisher(t.Context(), seg, func() time.Duration { return 0 })
		p.pace = nil
		for {
			msg, err := reader.Read()
			if err != nil {
				return
			}
			payload(msg)
			if p.message(msg) != nil {
				if p.sinkErr != nil {
					t.Fatal("a publisher ended the input: ", p.sinkErr)
				}
				return
			}
		}
	})
}
