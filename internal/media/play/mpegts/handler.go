// SPDX-License-Identifier: GPL-3.0-or-later

package mpegts

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"p2plive/internal/media/play"
)

// writeTimeout is how long a player may take nothing. A paused player closes
// its receive window; after this long it has to connect again.
const writeTimeout = 30 * time.Second

// Handler serves a stream as one endless MPEG-TS response that starts at the
// newest key frame. Every fragment is sent as soon as it is there.
func Handler(feed play.Feed) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sub, err := feed.Subscribe()
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		defer sub.Close()
		control := http.NewResponseController(w)
		started := false
		err = Copy(r.Context(), sub, func(packets []byte) error {
			if !started {
				started = true
				w.Header().Set("Content-Type", "video/mp2t")
				w.Header().Set("Cache-Control", "no-store")
			}
			// A server without deadlines is one of a test.
			if err := control.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
				return err
			}
			if _, err := w.Write(packets); err != nil {
				return err
			}
			return control.Flush()
		})
		switch {
		case started:
		case errors.Is(err, ErrUnsupported):
			http.Error(w, err.Error()+"; use the page or /live.m3u8", http.StatusUnsupportedMediaType)
		case err != nil && r.Context().Err() == nil:
			http.Error(w, err.Error(), http.StatusInternalServerError)
		default:
			http.Error(w, "the stream is not live", http.StatusServiceUnavailable)
		}
	})
}

// Copy hands the packets of a stream to emit, fragment by fragment, until the
// stream ends (nil), ctx ends (its cause) or emit fails.
func Copy(ctx context.Context, sub *play.Subscription, emit func(packets []byte) error) error {
	var cut play.Rebaser
	var muxer *Muxer
	for {
		item, err := sub.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch item.Kind {
		case play.KindCatalog:
			if item.Catalog.Ended {
				return nil
			}
			change := cut.SetCatalog(item.Catalog)
			switch {
			case muxer == nil:
				muxer, err = NewMuxer(cut.Tracks())
			case change == play.NewShape:
				return nil // a player that connects again gets the new tracks
			case change == play.NewInit:
				err = muxer.SetTracks(cut.Tracks())
			}
			if err != nil {
				return err
			}
		case play.KindFragment:
			for _, p := range cut.Add(item.Fragment) {
				packets, err := muxer.Write(p)
				if err != nil {
					return err
				}
				if err := emit(packets); err != nil {
					return err
				}
			}
		}
	}
}
