// SPDX-License-Identifier: GPL-3.0-or-later

package viewer

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"p2plive/internal/peer"
	"p2plive/internal/signal"
)

// TestQueueIsTold waits in the queue: the state and the log say so, and the first
// picture is counted from the start.
func TestQueueIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		v := &Viewer{log: slog.New(slog.NewTextHandler(&log, nil)), start: time.Now(), state: peer.StateConnecting, stream: "radio"}
		want := func(state string, place int) {
			t.Helper()
			if v.state != state || v.place != place {
				t.Errorf("%s, place %d; want %s, %d", v.state, v.place, state, place)
			}
		}
		time.Sleep(time.Second)
		v.turnedAway(errors.New("the tracker is away"))
		want(peer.StateConnecting, 0)
		v.turnedAway(&signal.FullError{Text: "full", After: time.Second})
		want(peer.StateFull, 0)
		for place := 30; place > 0; place-- {
			v.await(signal.StreamState{State: signal.StateQueued, Name: "radio", Place: place})
			want(peer.StateQueued, place)
			time.Sleep(time.Second)
		}
		if got := strings.Count(log.String(), "the stream is full; waiting in its queue"); got != 2 {
			t.Errorf("said %d times in half a minute:\n%s", got, &log)
		}
		v.begin(signal.StreamState{State: signal.StateLive, Name: "radio"})
		want(peer.StateLive, 0)
		if v.lead != 31*time.Second {
			t.Errorf("let in after %v", v.lead)
		}
	})
}

// TestStreamThatBegins counts the first picture from when the stream was live.
func TestStreamThatBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &Viewer{log: slog.New(slog.DiscardHandler), start: time.Now(), state: peer.StateConnecting}
		v.await(signal.StreamState{State: signal.StateUnknown})
		time.Sleep(time.Hour)
		v.await(signal.StreamState{State: signal.StateQueued, Place: 1})
		time.Sleep(time.Second)
		v.begin(signal.StreamState{State: signal.StateLive})
		if v.lead != time.Second {
			t.Errorf("let in after %v", v.lead)
		}
		time.Sleep(time.Minute)
		v.begin(signal.StreamState{State: signal.StateLive}) // the tracker was away
		if v.lead != time.Second {
			t.Errorf("again: %v", v.lead)
		}
	})
}
