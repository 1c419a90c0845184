// SPDX-License-Identifier: GPL-3.0-or-later

// Package playhttp puts the outputs of one stream under one address: /ws for
// the page, /live.ts and /live.m3u8 for players.
package playhttp

import (
	"net/http"

	"p2plive/internal/media/play"
	"p2plive/internal/media/play/hls"
	"p2plive/internal/media/play/mpegts"
	"p2plive/internal/media/play/mse"
)

// Options of a server.
type Options struct {
	// Status is what pages are told once a second, as JSON. It must be safe
	// for concurrent use. Nil: pages get no status.
	Status func() any
	// Public lets pages of any site and players under any name read the
	// stream, as an edge does. Otherwise only pages of the same host may, and
	// only under names that no stranger controls: see Guard.
	Public bool
	// Hosts are further names under which a server that is not public may be
	// asked, without port.
	Hosts []string
}

// Server serves one stream at /ws, /live.ts, /live.m3u8 and /hls/. An edge
// mounts it with http.StripPrefix, a viewer at its root.
type Server struct {
	handler http.Handler
	hls     *hls.Server
}

// New returns a server of the feed. Close it.
func New(feed play.Feed, opts Options) *Server {
	s := &Server{hls: hls.New(feed)}
	mux := http.NewServeMux()
	mux.Handle("GET /ws", mse.Handler(feed, mse.Options{Status: opts.Status, AnyOrigin: opts.Public}))
	mux.Handle("GET /live.ts", mpegts.Handler(feed))
	mux.Handle("GET /live.m3u8", s.hls)
	mux.Handle("GET /hls/", s.hls)
	s.handler = mux
	if opts.Public {
		s.handler = anyOrigin(mux)
	} else {
		s.handler = Guard(mux, opts.Hosts...)
	}
	return s
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Close ends what goes on without a request. Open responses end with the
// feed or with the HTTP server.
func (s *Server) Close() { s.hls.Close() }

// anyOrigin lets scripts of any site read the answers: the stream is public.
func anyOrigin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}
