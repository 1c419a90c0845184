// SPDX-License-Identifier: GPL-3.0-or-later

package hls

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"p2plive/internal/live"
	"p2plive/internal/media/play"
	"p2plive/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func catalog() *wire.Catalog {
	return &wire.Catalog{Epoch: 1, Version: 1, Tracks: []wire.Track{
		{ID: 1, Kind: wire.Video, Codec: "avc1.64001f", Timescale: 1000, Width: 640, Height: 360, Init: []byte("video init")},
		{ID: 2, Kind: wire.Audio, Codec: "mp4a.40.2", Timescale: 1000, Language: `e"n`, Init: []byte("audio init")},
	}}
}

// broadcast plays pictures of 40 ms with a key frame every two seconds, and
// sound in steps of 80 ms.
func broadcast(ctx context.Context, hub *play.Hub, epoch wire.Epoch) {
	for i := range 2000 {
		at := uint64(i) * 40
		hub.Publish(&live.Fragment{Epoch: epoch, Track: 1, Seq: wire.Seq(i), Key: i%50 == 0, Base: at, Duration: 40,
			Wall: 1_700_000_000_000 + int64(at), Data: fmt.Appendf(nil, "v%d ", i)})
		if i%2 == 1 {
			hub.Publish(&live.Fragment{Epoch: epoch, Track: 2, Seq: wire.Seq(i / 2), Key: true, Base: at - 40, Duration: 80,
				Data: fmt.Appendf(nil, "a%d ", i/2)})
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(40 * time.Millisecond):
		}
	}
}

func get(t *testing.T, s *Server, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", path, nil))
	body, _ := io.ReadAll(w.Body)
	return w.Code, string(body)
}

func must(t *testing.T, s *Server, path string) string {
	t.Helper()
	code, body := get(t, s, path)
	if code != http.StatusOK {
		t.Fatalf("%s: status %d: %s", path, code, body)
	}
	return body
}

// start runs a broadcast and asks for its multivariant playlist; it returns
// the media playlists' addresses.
func start(t *testing.T, s *Server) (video, audio string) {
	t.Helper()
	text := must(t, s, "/live.m3u8")
	found := regexp.MustCompile(`hls/\w+/\d\.m3u8`).FindAllString(text, -1)
	if len(found) != 2 || !strings.Contains(text, `CODECS="avc1.64001f,mp4a.40.2",RESOLUTION=640x360,AUDIO="audio"`) ||
		!strings.Contains(text, `NAME="en",LANGUAGE="en"`) {
		t.Fatalf("multivariant playlist:\n%s", text)
	}
	return "/" + found[1], "/" + found[0]
}

func TestPlaylists(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := play.NewHub()
		hub.SetCatalog(catalog())
		s := New(hub)
		defer s.Close()
		go broadcast(t.Context(), hub, 1)
		video, audio := start(t, s)
		base := strings.TrimSuffix(video, "1.m3u8")
		if got := must(t, s, base+"1/init-0.mp4"); got != "video init" {
			t.Errorf("init segment %q", got)
		}
		text := must(t, s, video+"?_HLS_msn=1&_HLS_part=1") // waits for it
		for _, want := range []string{"#EXT-X-TARGETDURATION:2\n", "#EXT-X-MEDIA-SEQUENCE:0\n", "#EXT-X-MAP:URI=\"1/init-0.mp4\"\n",
			"#EXTINF:2.00000,\n1/0.m4s\n", "#EXT-X-PART:DURATION=0.32000,URI=\"1/0.0.m4s\",INDEPENDENT=YES\n",
			"#EXT-X-PART:DURATION=0.32000,URI=\"1/1.1.m4s\"\n", "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"1/1.2.m4s\"\n",
			"#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:20.000Z\n"} {
			if !strings.Contains(text, want) {
				t.Errorf("no %q in\n%s", want, text)
			}
		}
		if got := must(t, s, base+"1/1.2.m4s"); got != "v66 v67 v68 v69 v70 v71 v72 v73 " {
			t.Errorf("hinted part: %q", got)
		}
		if got := must(t, s, base+"1/0.m4s"); !strings.HasPrefix(got, "v0 v1 ") || !strings.HasSuffix(got, "v48 v49 ") {
			t.Errorf("segment: %q", got)
		}
		if got := must(t, s, base+"2/1.m4s"); !strings.HasPrefix(got, "a25 ") || !strings.HasSuffix(got, "a49 ") {
			t.Errorf("audio segment: %q", got)
		}
		if text := must(t, s, audio+"?_HLS_msn=3"); !strings.Contains(text, "#EXTINF:1.92000,\n2/0.m4s\n") &&
			!strings.Contains(text, "#EXTINF:2.00000,\n2/0.m4s\n") {
			t.Errorf("audio playlist:\n%s", text)
		}
		for _, query := range []string{"?_HLS_msn=99", "?_HLS_msn=x", "?_HLS_msn=1&_HLS_part=-1"} {
			if code, body := get(t, s, video+query); code != http.StatusBadRequest {
				t.Errorf("%s: status %d: %s", query, code, body)
			}
		}
		for _, path := range []string{base + "9.m3u8", base + "1/99.m4s", base + "1/x.m4s", base + "1/0.99.m4s", base + "1/init-7.mp4", "/hls/old/1.m3u8"} {
			if code, _ := get(t, s, path); code != http.StatusNotFound {
				t.Errorf("%s: status %d", path, code)
			}
		}
	})
}

func TestBoundedAndIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := play.NewHub()
		hub.SetCatalog(catalog())
		s := New(hub)
		defer s.Close()
		go broadcast(t.Context(), hub, 1)
		video, _ := start(t, s)
		time.Sleep(25 * time.Second)
		text := must(t, s, video)
		if n := strings.Count(text, "#EXTINF"); n != segments {
			t.Errorf("%d segments, want %d:\n%s", n, segments, text)
		}
		if hub.Players() != 1 {
			t.Errorf("%d subscriptions", hub.Players())
		}
		time.Sleep(idle + time.Second)
		if hub.Players() != 0 {
			t.Error("works on though nobody asks")
		}
		if code, _ := get(t, s, video); code != http.StatusNotFound {
			t.Errorf("old session: status %d", code)
		}
		start(t, s)
	})
}

func TestNotLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(play.NewHub())
		defer s.Close()
		begin := time.Now()
		code, _ := get(t, s, "/live.m3u8")
		if code != http.StatusServiceUnavailable || time.Since(begin) != maxWait {
			t.Errorf("status %d after %v", code, time.Since(begin))
		}
	})
}

func TestRestartedSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := play.NewHub()
		hub.SetCatalog(catalog())
		s := New(hub)
		defer s.Close()
		ctx, cancel := context.WithCancel(t.Context())
		go broadcast(ctx, hub, 1)
		video, _ := start(t, s)
		cancel()
		synctest.Wait()
		again := catalog()
		again.Epoch = 2
		again.Tracks[0].Init = []byte("another init")
		hub.SetCatalog(again)
		go broadcast(t.Context(), hub, 2)
		time.Sleep(5 * time.Second)
		text := must(t, s, video)
		if strings.Count(text, "#EXT-X-DISCONTINUITY\n") != 1 || strings.Count(text, "#EXT-X-MAP") != 2 {
			t.Errorf("playlist:\n%s", text)
		}
	})
}

func FuzzParseName(f *testing.F) {
	for _, s := range []string{"init-0.mp4", "1.m4s", "1.2.m4s", "", ".m4s", "1..m4s"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, ok := parseName(s)
		if ok && !n.init && n.part < -1 {
			t.Errorf("%q: %+v", s, n)
		}
	})
}
