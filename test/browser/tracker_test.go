// SPDX-License-Identifier: GPL-3.0-or-later

package browser

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"p2plive/internal/media/play/playhttp"
	"p2plive/internal/webui"
)

// tracker serves the tracker's pages with a made-up list of streams.
type tracker struct {
	url   string
	live  atomic.Bool
	edges atomic.Pointer[[]string] // where the stream can be had
}

func newTracker(t *testing.T) *tracker {
	t.Helper()
	tr := &tracker{}
	tr.edges.Store(&[]string{})
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", webui.TrackerIndex())
	mux.Handle("GET /s/{name}", webui.TrackerWatch())
	mux.Handle("GET /assets/", webui.Assets())
	mux.HandleFunc("GET /api/streams", func(w http.ResponseWriter, _ *http.Request) {
		list := []any{}
		if tr.live.Load() {
			for i, name := range []string{"radio-free-valley", "School assembly", "<b>E-sports</b> finals"} {
				list = append(list, map[string]any{"name": name, "id": "id", "live": true, "viewers": i * 41, "edges": 1,
					"kbps": 2400 * i, "since": time.Now().Add(-time.Duration(i*50) * time.Minute)})
			}
		}
		_ = json.NewEncoder(w).Encode(list)
	})
	mux.HandleFunc("GET /api/streams/{name}", func(w http.ResponseWriter, r *http.Request) {
		if !tr.live.Load() {
			http.NotFound(w, r)
			return
		}
		edges := []any{}
		for _, url := range *tr.edges.Load() {
			edges = append(edges, map[string]any{"peer_id": "p", "http_url": url, "udp": []string{}})
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"name": r.PathValue("name"), "id": "streamid", "live": true, "viewers": 12, "edges": edges})
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	tr.url = server.URL
	return tr
}

// newEdge serves the broadcast as an edge does, until stop.
func newEdge(t *testing.T, b *broadcast) (url string, stop func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	player := playhttp.New(b.hub, playhttp.Options{Public: true})
	mux := http.NewServeMux()
	mux.Handle("/s/streamid/", http.StripPrefix("/s/streamid", player))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- webui.Serve(ctx, l, mux) }()
	stop = sync.OnceFunc(func() {
		cancel()
		<-done
		player.Close()
	})
	t.Cleanup(stop)
	return "http://" + l.Addr().String(), stop
}

func TestIndex(t *testing.T) {
	tr := newTracker(t)
	page := open(t, tr.url)
	page.until(`!document.getElementById("empty").hidden`, 5*time.Second)
	page.picture("index-empty", 1100, 600, "light")
	tr.live.Store(true)
	page.until(`document.querySelectorAll("#streams li").length === 3 && document.getElementById("empty").hidden`, 8*time.Second)
	// A name is text, whatever it looks like.
	page.until(`document.querySelectorAll("#streams b").length === 0`, time.Second)
	page.until(`document.querySelectorAll("#streams a")[2].getAttribute("href") === "/s/%3Cb%3EE-sports%3C%2Fb%3E%20finals"`, time.Second)
	page.picture("index-light", 1100, 600, "light")
	page.picture("index-dark", 1100, 600, "dark")
	page.picture("index-phone", 390, 700, "dark")
	page.quiet()
}

func TestWatchPage(t *testing.T) {
	b := newBroadcast(t)
	tr := newTracker(t)
	page := open(t, tr.url+"/s/my%20channel", chromedp.Flag("autoplay-policy", "no-user-gesture-required"))
	page.until(`document.getElementById("notice-title").textContent === "Waiting for the stream"`, 5*time.Second)
	page.until(`document.getElementById("command").textContent.endsWith("/s/my%20channel")`, time.Second)
	page.picture("watch-waiting", 1200, 1120, "light")

	// It starts by itself, and passes over an edge that is not there.
	one, stopOne := newEdge(t, b)
	other, _ := newEdge(t, b)
	tr.edges.Store(&[]string{"http://127.0.0.1:1", one, other})
	tr.live.Store(true)
	page.until(playing, 15*time.Second)
	page.until(`video.currentTime > 1`, 5*time.Second)
	page.picture("watch-light", 1200, 1120, "light")
	page.picture("watch-phone", 390, 844, "light")

	// An edge dies: the other one takes over.
	if b.hub.Players() != 1 {
		t.Errorf("%d players", b.hub.Players())
	}
	stopOne()
	from := eval[float64](page, `video.currentTime`)
	page.until(`document.getElementById("viewers").textContent === "12 viewers"`, 6*time.Second)
	time.Sleep(3 * time.Second) // longer than any buffer
	if to := eval[float64](page, `video.currentTime`); to < from+2 {
		t.Errorf("at %.1f s before the edge died, at %.1f s three seconds later", from, to)
	}
	page.until(playing, 5*time.Second)
	page.quiet()
}
