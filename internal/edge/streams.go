// SPDX-License-Identifier: GPL-3.0-or-later

package edge

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"p2plive/internal/live"
	"p2plive/internal/media/play"
	"p2plive/internal/media/play/playhttp"
	"p2plive/internal/peer"
	"p2plive/internal/signal"
	"p2plive/internal/swarm"
	"p2plive/internal/webui"
	"p2plive/internal/wire"
	"p2plive/libnet/tunnel"
)

const (
	// maxStreams bounds what one edge carries: 64 stores of 64 MiB are 4 GiB.
	maxStreams = 64
	// reportInterval is how often the tracker hears of load and streams, and
	// budgetInterval of an edge with a budget: it lets viewers in by that.
	reportInterval = 2 * time.Second
	budgetInterval = 500 * time.Millisecond
	// rateSpan is over what rates are taken: a group of pictures or more, for a
	// key frame is as large as many others.
	rateSpan = 2 * time.Second
	// orphanTime is how long a stream is kept whose source is gone. Sources
	// come back within seconds, viewers may still fetch what the store holds.
	orphanTime = 60 * time.Second
)

// Errors that peers are told.
var (
	errNotCarried = errors.New("this edge does not carry the stream")
	errFull       = errors.New("this edge carries as many streams as it can")
	errStopping   = errors.New("the edge is stopping")
)

// stream is one stream that the edge carries.
type stream struct {
	id      wire.StreamID
	swarm   *peer.Swarm
	hub     *play.Hub
	player  *playhttp.Server
	fed     time.Time // last seen with a source or another edge
	viewers uint32
	out     meter
	owed    meter
	in      meter
	outKbps uint32
	// owedKbps of it goes to those that have places here, and for rescue. The
	// rest is what newcomers fetch at their start: it takes what there is.
	owedKbps uint32
	kbps     uint32
}

// open joins a stream that a source brings. Viewers are told to go elsewhere.
func (e *Edge) open(_ wire.PeerID, hello *wire.Hello, role wire.Role) (*peer.Swarm, error) {
	if role != wire.RoleSource {
		return nil, errNotCarried
	}
	st, err := e.carry(hello.Stream)
	if err != nil {
		return nil, err
	}
	return st.swarm, nil
}

// carry joins a stream's swarm, or returns it if the edge carries it already.
func (e *Edge) carry(id wire.StreamID) (*stream, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if st := e.streams[id]; st != nil {
		return st, nil
	}
	if e.closed {
		return nil, errStopping
	}
	if len(e.streams) >= maxStreams {
		return nil, errFull
	}
	hub := play.NewHub()
	s, err := e.host.Join(peer.SwarmConfig{
		Stream: id, Role: wire.RoleEdge, Output: hub, Ticket: e.ticket,
		Machine: swarm.Config{}, Store: live.StoreConfig{},
		WantPeers: func(n int) { e.client.RequestPeers(n) },
		ReportBad: e.client.ReportBadPiece,
	})
	if err != nil {
		return nil, err
	}
	st := &stream{
		id: id, swarm: s, hub: hub, fed: time.Now(),
		player: playhttp.New(hub, playhttp.Options{Public: true}),
	}
	e.streams[id] = st
	st.out.add(st.fed, 0)
	st.owed.add(st.fed, 0)
	st.in.add(st.fed, 0)
	if e.cfg.UploadLimit > 0 {
		_ = s.SetUplink(e.cfg.UploadLimit / int64(len(e.streams))) // until share knows better
	}
	e.log.Info("stream carried", "stream", id)
	e.wakeReporter()
	return st, nil
}

func (e *Edge) drop(st *stream, reason string) {
	st.swarm.Close(reason)
	e.mu.Lock()
	delete(e.streams, st.id)
	add(&e.past, st.swarm.Stats())
	e.mu.Unlock()
	st.hub.Close()
	st.player.Close()
	e.wakeReporter()
}

// report tells the tracker what the edge carries, and lets streams go that
// nobody feeds any more.
func (e *Edge) report(ctx context.Context) {
	interval := reportInterval
	if e.cfg.UploadLimit > 0 {
		interval = budgetInterval
	}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			e.survey(time.Now())
		case <-e.changed:
		}
		e.client.SendReport(e.reportNow())
	}
}

func (e *Edge) reportNow() signal.Report {
	r := signal.Report{Load: e.load()}
	e.mu.Lock()
	defer e.mu.Unlock()
	for id, st := range e.streams {
		r.Carried = append(r.Carried, signal.Carried{Stream: id, Kbps: st.kbps, OutKbps: st.owedKbps})
	}
	return r
}

// Stats returns the counters of all streams together: what was sent, and what
// it took.
func (e *Edge) Stats() peer.Stats {
	e.mu.Lock()
	sum := e.past
	e.mu.Unlock()
	for _, st := range e.all() {
		one := st.swarm.Stats()
		add(&sum, one)
		sum.StoreBytes += one.StoreBytes
		sum.Sessions = append(sum.Sessions, one.Sessions...)
	}
	return sum
}

// add adds the counters that outlive a stream.
func add(sum *peer.Stats, one peer.Stats) {
	sum.BytesUploaded += one.BytesUploaded
	sum.ControlBytes += one.ControlBytes
}

// all returns the streams that are carried now.
func (e *Edge) all() []*stream {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Collect(maps.Values(e.streams))
}

// survey updates what is known of each stream.
func (e *Edge) survey(now time.Time) {
	for _, st := range e.all() {
		stats := st.swarm.Stats()
		var viewers uint32
		fed := false
		for _, ss := range stats.Sessions {
			if ss.Role == wire.RoleViewer {
				viewers++
			} else {
				fed = true
			}
		}
		e.mu.Lock()
		st.viewers = viewers
		st.owedKbps = st.owed.add(now, stats.BytesOwed)
		st.outKbps, st.kbps = st.out.add(now, stats.BytesUploaded), st.in.add(now, stats.BytesFromEdges)
		if fed {
			st.fed = now
		}
		orphan := now.Sub(st.fed) > orphanTime
		e.mu.Unlock()
		if orphan {
			e.log.Info("stream let go: its source is gone", "stream", st.id)
			e.drop(st, "the source is gone")
		}
	}
	e.share()
}

// serveHTTP serves browsers and players that come without p2plive.
func (e *Edge) serveHTTP(ctx context.Context) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.Handle("GET "+tunnel.Path, e.tunnels)
	mux.HandleFunc("/s/{id}/", func(w http.ResponseWriter, r *http.Request) {
		id, err := wire.ParseStreamID(r.PathValue("id"))
		e.mu.Lock()
		st := e.streams[id]
		e.mu.Unlock()
		if err != nil || st == nil {
			http.Error(w, errNotCarried.Error(), http.StatusNotFound)
			return
		}
		http.StripPrefix("/s/"+r.PathValue("id"), st.player).ServeHTTP(w, r)
	})
	return webui.Serve(ctx, e.http, mux)
}
