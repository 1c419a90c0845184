// SPDX-License-Identifier: GPL-3.0-or-later

// Package clip is the built-in test clip: a moving picture with a running
// clock, a code strip that tests read the frame's number from, and stereo
// sound with a bell at each full second. It is made by generate.sh.
package clip

import (
	"bytes"
	"context"
	_ "embed"
	"time"

	"p2plive/internal/media"
	"p2plive/internal/media/ingest/mp4file"
)

//go:embed clip.mp4
var clip []byte

// What the clip is made of.
const (
	Length    = 16 * time.Second
	FrameRate = 30
	Frames    = int(Length/time.Second) * FrameRate
)

// Input plays the clip round and round.
type Input struct {
	file *mp4file.File
	rate int64
}

// New returns the built-in clip.
func New() (*Input, error) { return NewPadded(0) }

// NewPadded returns the clip with its pictures filled up to a rate in bits a
// second, sound included. A rate below the clip's own leaves it as it is.
func NewPadded(rate int64) (*Input, error) {
	file, err := mp4file.New("test clip", bytes.NewReader(clip), int64(len(clip)))
	if err != nil {
		return nil, err
	}
	return &Input{file, rate}, nil
}

// Run plays the clip until ctx is done. The clip keeps in step with the wall
// clock: its timestamps are Unix time, and Frame tells which frame is due
// when, so that a picture alone tells how old it is. It starts with the next
// full second.
func (in *Input) Run(ctx context.Context, sink media.Sink) error {
	if in.rate > 0 {
		sink = &padder{Sink: sink, rate: in.rate}
	}
	return in.file.RunFrom(ctx, sink, time.Unix(0, 0))
}

// Frame returns the number of the frame that is due at t.
func Frame(t time.Time) int {
	ms := t.UnixMilli() % Length.Milliseconds()
	return int(ms * FrameRate / 1000)
}

// Age returns how long before t the frame with number n was due, at most the
// clip's length.
func Age(n int, t time.Time) time.Duration {
	due := time.Duration(n) * time.Second / FrameRate
	now := time.Duration(t.UnixNano()) % Length
	return (now - due + Length) % Length
}
