// SPDX-License-Identifier: GPL-3.0-or-later

// Package ingest opens what a source takes its stream from: the built-in test
// clip, a file, an RTMP publisher or MPEG-TS on standard input.
package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"p2plive/internal/media"
	"p2plive/internal/media/ingest/clip"
	"p2plive/internal/media/ingest/mp4file"
	"p2plive/internal/media/ingest/mpegts"
	"p2plive/internal/media/ingest/rtmp"
)

// ErrSpec is returned for a spec that names no kind of input.
var ErrSpec = errors.New("unknown input")

// Input is a stream of samples.
type Input interface {
	// Run hands samples to the sink until ctx is done (then it returns nil) or
	// the input ends for good. It is called once, and releases what Open took.
	Run(ctx context.Context, sink media.Sink) error
}

// Options of inputs.
type Options struct {
	Stdin     io.Reader    // read for "-"; os.Stdin if nil
	StreamKey string       // RTMP publishers must name it; any key if empty
	ClipRate  int64        // bits a second that the built-in clip is filled up to; 0: its own
	Logger    *slog.Logger // slog.Default if nil
}

// Open opens the input that spec names:
//
//	demo                the built-in test clip
//	rtmp://[HOST]:PORT  wait there for OBS or ffmpeg to publish
//	FILE.mp4            a file, in a loop
//	-                   MPEG-TS on standard input
//
// A wrong spec, a file that cannot be played and an address that cannot be
// listened on are found here. Errors are one line for the user.
func Open(spec string, o Options) (Input, error) {
	if o.Stdin == nil {
		o.Stdin = os.Stdin
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	scheme, _, isURL := strings.Cut(spec, "://")
	var in Input
	var err error
	switch {
	case spec == "demo":
		in, err = clip.NewPadded(o.ClipRate)
	case spec == "-":
		in = mpegts.New(o.Stdin, o.Logger)
	case isURL && scheme == "rtmp":
		in, err = rtmp.Listen(spec, rtmp.Options{StreamKey: o.StreamKey, Logger: o.Logger})
	case isURL || spec == "":
		err = fmt.Errorf("%w %q: want demo, rtmp://:1935, an MP4 file, or - for MPEG-TS on standard input", ErrSpec, spec)
	default:
		var file *mp4file.File
		file, err = mp4file.Open(spec)
		in = fileInput{file}
	}
	if err != nil {
		return nil, err
	}
	return in, nil
}

// fileInput closes the file at the end of its run.
type fileInput struct{ *mp4file.File }

func (in fileInput) Run(ctx context.Context, sink media.Sink) error {
	return errors.Join(in.File.Run(ctx, sink), in.Close())
}
