// SPDX-License-Identifier: GPL-3.0-or-later

package tracker

import (
	"encoding/json"
	"io"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"p2plive/internal/signal"
)

// routes are all addresses of the HTTP server.
func (t *Tracker) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+signal.ConnectPath, t.handleConnect)
	mux.HandleFunc("GET /api/streams", t.limited(func(w http.ResponseWriter, _ *http.Request) {
		t.mu.Lock()
		list := t.reg.streamViews()
		t.mu.Unlock()
		writeJSON(w, http.StatusOK, map[string]any{"streams": list})
	}))
	mux.HandleFunc("GET /api/streams/{name}", t.limited(t.handleStream))
	mux.HandleFunc("GET /api/nodes", t.limited(func(w http.ResponseWriter, _ *http.Request) {
		t.mu.Lock()
		v := t.reg.nodes()
		t.mu.Unlock()
		writeJSON(w, http.StatusOK, v)
	}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "ok\n")
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(t.metrics.registry, promhttp.HandlerOpts{}))
	addPages(mux)
	return mux
}

func (t *Tracker) handleStream(w http.ResponseWriter, r *http.Request) {
	name, err := signal.CanonicalStream(r.PathValue("name"))
	if err != nil {
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	t.mu.Lock()
	d, live := t.reg.streamDetail(name)
	ended := t.reg.ended.has(name)
	t.mu.Unlock()
	if !live {
		state := signal.StateUnknown
		if ended {
			state = signal.StateEnded
		}
		writeJSON(w, http.StatusNotFound, map[string]any{
			"error": "stream is not live", "live": false, "state": state.String(),
		})
		return
	}
	writeJSON(w, http.StatusOK, d)
}

// limited keeps one address from asking all the time, and lets pages of other
// sites read the answer: there is nothing in it that a stranger may not see.
func (t *Tracker) limited(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !t.guard.request(time.Now(), t.proxies.Client(r).Addr()) {
			t.metrics.turned.Inc()
			w.Header().Set("Retry-After", "1")
			http.Error(w, "too many requests", http.StatusTooManyRequests)
			return
		}
		w.Header().Set("Access-Control-Allow-Origin", "*")
		next(w, r)
	}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // fails only when the client has gone
}
