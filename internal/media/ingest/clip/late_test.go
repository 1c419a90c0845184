// SPDX-License-Identifier: GPL-3.0-or-later

package clip

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"p2plive/internal/media"
)

// stopper stands still once, as a process does that is stopped.
type stopper struct {
	t       *testing.T
	formats []media.TrackFormat
	samples int
	stop    time.Duration
	done    context.CancelFunc
}

func (s *stopper) Formats(f []media.TrackFormat) error {
	s.formats = f
	return nil
}

func (s *stopper) Sample(m media.Sample) error {
	s.samples++
	if s.samples == 100 {
		time.Sleep(s.stop)
		return nil
	}
	age := time.Since(time.Unix(0, 0)) - media.Duration(m.DTS, s.formats[m.Track].Timescale)
	// Half a second after it goes on, nothing is late any more.
	if s.samples > 150 && (age < 0 || age > 50*time.Millisecond) {
		s.t.Errorf("sample %d is %v late", s.samples, age)
		s.done()
	}
	if s.samples == 400 {
		s.done()
	}
	return nil
}

func TestStaysInStep(t *testing.T) {
	for _, stop := range []time.Duration{500 * time.Millisecond, 3 * time.Second, time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			in, err := New()
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			if err := in.Run(ctx, &stopper{t: t, stop: stop, done: cancel}); err != nil {
				t.Error(err)
			}
		})
	}
}
