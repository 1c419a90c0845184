// SPDX-License-Identifier: GPL-3.0-or-later

package mse

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/coder/websocket"

	"p2plive/internal/media/cmaf"
	"p2plive/internal/media/play"
	"p2plive/internal/wire"
)

// Options of a handler.
type Options struct {
	// Status is called once a second for each page and sent to it as JSON. It
	// must be safe for concurrent use. Nil: pages get no status.
	Status func() any
	// AnyOrigin lets pages of any site read the stream, which is right where
	// the stream is public. Otherwise only pages of the same host may.
	AnyOrigin bool
	// Origins are further hosts whose pages may read the stream.
	Origins []string
}

// Handler serves a stream to player pages. The query's "video" and "audio"
// choose tracks by id, 0 for none; without them the first of each is sent.
func Handler(feed play.Feed, opts Options) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		choice, err := readChoice(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		sub, err := feed.Subscribe()
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		defer sub.Close()
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{
			InsecureSkipVerify: opts.AnyOrigin,
			OriginPatterns:     opts.Origins,
			CompressionMode:    websocket.CompressionDisabled, // media does not compress
		})
		if err != nil {
			return // Accept has answered
		}
		defer conn.CloseNow()
		conn.SetReadLimit(maxMessage)
		ctx, cancel := context.WithCancelCause(r.Context())
		listening := make(chan struct{})
		go func() {
			defer close(listening)
			cancel(listen(ctx, conn))
		}()
		p := page{conn: conn, choice: choice, status: opts.Status, joiners: map[wire.TrackID]*cmaf.Joiner{}}
		p.serve(ctx, sub)
		// Without a good-bye: that would wait for the rest of what a page that
		// breaks the rules may send for ever.
		_ = conn.CloseNow()
		<-listening
		cancel(nil)
	})
}

var errTalks = errors.New("this end only sends")

// listen answers the protocol's control frames until the page goes. A page
// has nothing to say: any message from it is an error.
func listen(ctx context.Context, conn *websocket.Conn) error {
	if _, _, err := conn.Reader(ctx); err != nil {
		return err
	}
	return errTalks
}

// choice of tracks: nil for the first of its kind.
type choice struct{ video, audio *wire.TrackID }

func readChoice(r *http.Request) (c choice, err error) {
	query := r.URL.Query()
	for name, to := range map[string]**wire.TrackID{"video": &c.video, "audio": &c.audio} {
		text := query.Get(name)
		if text == "" {
			continue
		}
		n, err := strconv.ParseUint(text, 10, 8)
		if err != nil {
			return c, errors.New(name + ": want the id of a track, 0 for none")
		}
		id := wire.TrackID(n)
		*to = &id
	}
	return c, nil
}

// of returns the chosen tracks of a catalog. A track that is not there any
// more gives way to the first of its kind.
func (c choice) of(catalog *wire.Catalog) []*wire.Track {
	var chosen []*wire.Track
	for _, k := range []struct {
		kind wire.TrackKind
		want *wire.TrackID
	}{{wire.Video, c.video}, {wire.Audio, c.audio}} {
		if k.want != nil && *k.want == 0 {
			continue
		}
		var found *wire.Track
		for i := range catalog.Tracks {
			t := &catalog.Tracks[i]
			if t.Kind == k.kind && (found == nil || k.want != nil && t.ID == *k.want) {
				found = t
			}
		}
		if found != nil {
			chosen = append(chosen, found)
		}
	}
	return chosen
}

// page is one connected player page.
type page struct {
	conn    *websocket.Conn
	choice  choice
	status  func() any
	tracks  []*wire.Track // the chosen ones
	joiners map[wire.TrackID]*cmaf.Joiner
	buf     []byte
}

// serve sends until the page goes, takes nothing any more, or the stream is
// over. Status is sent between fragments, so that one goroutine owns the
// connection's writing side.
func (p *page) serve(ctx context.Context, sub *play.Subscription) {
	status := time.Now()
	for {
		if !time.Now().Before(status) {
			if p.sendStatus(ctx) != nil {
				return
			}
			status = time.Now().Add(statusEvery)
		}
		item, err := p.next(ctx, sub, status)
		switch {
		case errors.Is(err, errStatusDue):
			continue
		case errors.Is(err, io.EOF):
			_ = p.sendJSON(ctx, plainMessage{Type: "closed"})
			_ = p.conn.Close(websocket.StatusNormalClosure, "the stream is over")
			return
		case err != nil:
			return
		}
		if p.send(ctx, item) != nil {
			return
		}
	}
}

var errStatusDue = errors.New("status is due")

func (p *page) next(ctx context.Context, sub *play.Subscription, due time.Time) (play.Item, error) {
	ctx, cancel := context.WithDeadlineCause(ctx, due, errStatusDue)
	defer cancel()
	return sub.Next(ctx)
}

func (p *page) send(ctx context.Context, item play.Item) error {
	switch item.Kind {
	case play.KindCatalog:
		return p.sendCatalog(ctx, item.Catalog)
	case play.KindSkipped:
		clear(p.joiners)
		return p.sendJSON(ctx, plainMessage{Type: "skipped"})
	case play.KindMissed:
		if p.track(item.Track) == nil {
			return nil
		}
		return p.sendJSON(ctx, missedMessage{Type: "missed", Track: uint8(item.Track), Seq: uint32(item.Seq)})
	}
	f := item.Fragment
	t := p.track(f.Track)
	if t == nil {
		return nil
	}
	j := p.joiners[t.ID]
	if j == nil {
		j = &cmaf.Joiner{}
		p.joiners[t.ID] = j
	}
	data, joined := j.Join(f.Data, t.Timescale)
	var flags byte
	if f.Key {
		flags |= flagKey
	}
	if joined {
		flags |= flagJoined
	}
	p.buf = append(appendHeader(p.buf[:0], typeFragment, flags, t, f), data...)
	return p.write(ctx, websocket.MessageBinary, p.buf)
}

// sendCatalog tells the tracks and sends the init segments of the chosen ones.
func (p *page) sendCatalog(ctx context.Context, c *wire.Catalog) error {
	p.tracks = p.choice.of(c)
	clear(p.joiners)
	if err := p.sendJSON(ctx, newCatalogMessage(c, p.tracks)); err != nil {
		return err
	}
	for _, t := range p.tracks {
		p.buf = append(appendHeader(p.buf[:0], typeInit, 0, t, nil), t.Init...)
		if err := p.write(ctx, websocket.MessageBinary, p.buf); err != nil {
			return err
		}
	}
	return nil
}

func (p *page) sendStatus(ctx context.Context) error {
	m := statusMessage{Type: "status", Now: time.Now().UnixMilli()}
	if p.status != nil {
		m.Status = p.status()
	}
	return p.sendJSON(ctx, m)
}

func (p *page) track(id wire.TrackID) *wire.Track {
	for _, t := range p.tracks {
		if t.ID == id {
			return t
		}
	}
	return nil
}

func (p *page) sendJSON(ctx context.Context, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return p.write(ctx, websocket.MessageText, b)
}

func (p *page) write(ctx context.Context, kind websocket.MessageType, b []byte) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	return p.conn.Write(ctx, kind, b)
}
