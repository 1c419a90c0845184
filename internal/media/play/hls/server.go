// SPDX-License-Identifier: GPL-3.0-or-later

package hls

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"p2plive/internal/media/play"
	"p2plive/internal/wire"
)

// Server serves one stream at /live.m3u8 and below /hls/.
type Server struct {
	feed play.Feed
	mux  *http.ServeMux

	mu      sync.Mutex
	session *session // nil or over while nobody watches
	closed  bool
}

// New returns a server that does nothing until the first request. Close it.
func New(feed play.Feed) *Server {
	s := &Server{feed: feed, mux: http.NewServeMux()}
	s.mux.HandleFunc("GET /live.m3u8", s.serveMultivariant)
	s.mux.HandleFunc("GET /hls/{session}/{file}", s.servePlaylist)
	s.mux.HandleFunc("GET /hls/{session}/{track}/{file}", s.serveMedia)
	return s
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Close ends the work and waits for it.
func (s *Server) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.session != nil {
		s.session.close()
		s.session = nil
	}
}

// current returns the running session, a new one if start is set.
func (s *Server) current(start bool) (*session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.session != nil {
		select {
		case <-s.session.done:
			s.session = nil
		default:
			s.session.idle.Reset(idle)
			return s.session, nil
		}
	}
	if !start || s.closed {
		return nil, nil
	}
	sub, err := s.feed.Subscribe()
	if err != nil {
		return nil, err
	}
	s.session = startSession(sub, strconv.FormatInt(time.Now().UnixMilli(), 36))
	return s.session, nil
}

func (s *Server) serveMultivariant(w http.ResponseWriter, r *http.Request) {
	run, err := s.current(true)
	if err != nil || run == nil {
		http.Error(w, "no place for another player", http.StatusServiceUnavailable)
		return
	}
	// Players that know nothing of parts need a whole segment of each track.
	ready := func() bool {
		for _, t := range run.tracks {
			if len(run.renditions[t.ID].segments) < 2 {
				return false
			}
		}
		return len(run.tracks) > 0
	}
	if !run.wait(r.Context(), ready) {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "the stream is not live", http.StatusServiceUnavailable)
		return
	}
	run.mu.Lock()
	text := multivariant(run.name, run.tracks)
	run.mu.Unlock()
	writePlaylist(w, text)
}

func (s *Server) servePlaylist(w http.ResponseWriter, r *http.Request) {
	run, rendition := s.find(r, stem(r.PathValue("file"), ".m3u8"))
	if rendition == nil {
		http.NotFound(w, r)
		return
	}
	if query := r.URL.Query(); query.Has("_HLS_msn") {
		number, err := strconv.ParseUint(query.Get("_HLS_msn"), 10, 32)
		index := -1
		if err == nil && query.Has("_HLS_part") {
			var i uint64
			i, err = strconv.ParseUint(query.Get("_HLS_part"), 10, 16)
			index = int(i)
		}
		run.mu.Lock()
		open := rendition.open()
		ahead := open != nil && number > open.number+maxAhead
		run.mu.Unlock()
		if err != nil || ahead {
			http.Error(w, "_HLS_msn or _HLS_part out of range", http.StatusBadRequest)
			return
		}
		ready := func() bool { return run.ended || rendition.has(number, index) || rendition.has(number+1, 0) }
		if !run.wait(r.Context(), ready) {
			http.Error(w, "the stream has stopped", http.StatusServiceUnavailable)
			return
		}
	}
	run.mu.Lock()
	text := rendition.playlist(run.ended)
	run.mu.Unlock()
	writePlaylist(w, text)
}

func writePlaylist(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "application/vnd.apple.mpegurl")
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write([]byte(text))
}

// find returns the session and rendition that a request names.
func (s *Server) find(r *http.Request, track string) (*session, *rendition) {
	run, err := s.current(false)
	if err != nil || run == nil || run.name != r.PathValue("session") {
		return nil, nil
	}
	id, err := strconv.ParseUint(track, 10, 8)
	if err != nil {
		return nil, nil
	}
	run.mu.Lock()
	defer run.mu.Unlock()
	return run, run.renditions[wire.TrackID(id)]
}

func (s *Server) serveMedia(w http.ResponseWriter, r *http.Request) {
	run, rendition := s.find(r, r.PathValue("track"))
	if rendition == nil {
		http.NotFound(w, r)
		return
	}
	name, ok := parseName(r.PathValue("file"))
	if !ok {
		http.NotFound(w, r)
		return
	}
	run.mu.Lock()
	open := rendition.open()
	ahead := open == nil || name.number > open.number+1
	run.mu.Unlock()
	// The part that the playlist hints at is asked for before it is there.
	if !name.init && (ahead || !run.wait(r.Context(), func() bool { return rendition.has(name.number, name.part) })) {
		http.NotFound(w, r)
		return
	}
	run.mu.Lock()
	chunks := rendition.bytes(name)
	run.mu.Unlock()
	if chunks == nil {
		http.NotFound(w, r)
		return
	}
	size := 0
	for _, c := range chunks {
		size += len(c)
	}
	w.Header().Set("Content-Type", "video/mp4")
	w.Header().Set("Content-Length", strconv.Itoa(size))
	w.Header().Set("Cache-Control", "max-age=60, immutable")
	for _, c := range chunks {
		if _, err := w.Write(c); err != nil {
			return
		}
	}
}

// bytes returns what a name stands for, nil if it is not there.
func (r *rendition) bytes(n name) [][]byte {
	if n.init {
		if b, ok := r.inits[n.number]; ok {
			return [][]byte{b}
		}
		return nil
	}
	s := r.find(n.number)
	if s == nil {
		return nil
	}
	if n.part >= 0 {
		if n.part >= len(s.parts) {
			return nil
		}
		return [][]byte{s.parts[n.part].data}
	}
	chunks := [][]byte{}
	for i := range s.parts {
		chunks = append(chunks, s.parts[i].data)
	}
	return chunks
}
