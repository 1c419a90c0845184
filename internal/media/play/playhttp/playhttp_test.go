// SPDX-License-Identifier: GPL-3.0-or-later

package playhttp

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"p2plive/internal/media/play"
	"p2plive/internal/media/play/playtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve plays a stream of the given length in real time.
func serve(t *testing.T, o playtest.Options) string {
	t.Helper()
	stream := playtest.Make(t, o)
	hub := play.NewHub()
	s := New(hub, Options{})
	web := httptest.NewServer(s)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		stream.Play(ctx, hub)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		hub.Close()
		s.Close()
		http.DefaultClient.CloseIdleConnections()
		web.Close()
	})
	return web.URL
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func TestPlayers(t *testing.T) {
	url := serve(t, playtest.Options{Length: 60 * time.Second, Offset: 30 * time.Hour})
	for _, path := range []string{"/live.ts", "/live.m3u8"} {
		t.Run("ffprobe "+path, func(t *testing.T) {
			t.Parallel()
			said := run(t, "ffprobe", "-v", "warning", "-show_entries", "stream=codec_name", "-of", "csv=p=0", url+path)
			if strings.Count(said, "h264") < 1 || strings.Count(said, "aac") < 1 || len(strings.Fields(said)) > 4 {
				t.Errorf("ffprobe says: %s", said)
			}
		})
		t.Run("ffmpeg "+path, func(t *testing.T) {
			t.Parallel()
			if said := run(t, "ffmpeg", "-v", "error", "-i", url+path, "-t", "5", "-f", "null", "-"); said != "" {
				t.Errorf("ffmpeg says: %s", said)
			}
		})
	}
	t.Run("mpv /live.ts", func(t *testing.T) {
		t.Parallel()
		run(t, "mpv", "--no-config", "--vo=null", "--ao=null", "--length=10", url+"/live.ts")
	})
}

func TestUnsupportedInTransportStream(t *testing.T) {
	url := serve(t, playtest.Options{Length: 2 * time.Second,
		Video: []string{"-c:v", "libaom-av1", "-cpu-used", "8", "-usage", "realtime"}})
	r, err := http.Get(url + "/live.ts")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, _ := io.ReadAll(r.Body)
	if r.StatusCode != http.StatusUnsupportedMediaType || !strings.Contains(string(text), "av01.0.00M.08 cannot be carried in MPEG-TS") {
		t.Errorf("%s: %s", r.Status, text)
	}
}

func TestGuard(t *testing.T) {
	handler := Guard(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }), "tv.example.org")
	for host, allowed := range map[string]bool{
		"127.0.0.1:8080": true, "[::1]:8080": true, "localhost:8080": true, "box": true, "box.local:80": true,
		"192.168.1.7": true, "tv.example.org:8080": true, "TV.example.org.": true,
		"evil.example:8080": false, "127.0.0.1.evil.example": false, "": false, "localhost.evil.example": false,
	} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, &http.Request{Method: "GET", Host: host, Header: http.Header{}})
		if got := w.Code == http.StatusNoContent; got != allowed {
			t.Errorf("host %q: status %d", host, w.Code)
		}
	}
}

func TestOrigins(t *testing.T) {
	for _, public := range []bool{false, true} {
		s := New(play.NewHub(), Options{Public: public})
		defer s.Close()
		web := httptest.NewServer(s)
		defer web.Close()
		r, err := http.NewRequest("GET", web.URL+"/ws", nil)
		if err != nil {
			t.Fatal(err)
		}
		for k, v := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
			"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Origin": "https://elsewhere.example"} {
			r.Header.Set(k, v)
		}
		answer, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if got := answer.StatusCode == http.StatusSwitchingProtocols; got != public {
			t.Errorf("public %v: a page of another site gets %s", public, answer.Status)
		}
	}
}
