// SPDX-License-Identifier: GPL-3.0-or-later

package mse

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"p2plive/internal/live"
	"p2plive/internal/media/cmaf"
	"p2plive/internal/media/play"
	"p2plive/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newCatalog() *wire.Catalog {
	return &wire.Catalog{Epoch: 7, Version: 1, Title: "Test", Tracks: []wire.Track{
		{ID: 1, Kind: wire.Video, Codec: "avc1.64001f", Timescale: 1000, Rendition: "720p", Init: []byte("init one")},
		{ID: 2, Kind: wire.Audio, Codec: "mp4a.40.2", Timescale: 48000, Init: []byte("init two")},
		{ID: 3, Kind: wire.Video, Codec: "avc1.64001e", Timescale: 1000, Rendition: "360p", Init: []byte("init three")},
	}}
}

func fragment(track wire.TrackID, seq int, key bool) *live.Fragment {
	c := cmaf.Chunk{Track: 1, Base: uint64(seq) * 100, Samples: []cmaf.Sample{{Duration: 100, Data: []byte("frame")}}}
	return &live.Fragment{Epoch: 7, Track: track, Seq: wire.Seq(seq), Key: key, Base: c.Base, Duration: 100,
		Wall: 1_700_000_000_123, Data: c.Append(nil)}
}

// open connects a page. What it gets comes from next, JSON as an object.
func open(t *testing.T, hub *play.Hub, query string, status func() any) (*websocket.Conn, func() (map[string]any, []byte)) {
	t.Helper()
	web := httptest.NewServer(Handler(hub, Options{Status: status}))
	t.Cleanup(web.Close)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	t.Cleanup(cancel)
	conn, _, err := websocket.Dial(ctx, web.URL+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	conn.SetReadLimit(1 << 20)
	return conn, func() (object map[string]any, data []byte) {
		t.Helper()
		kind, b, err := conn.Read(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if kind == websocket.MessageBinary {
			return nil, b
		}
		if err := json.Unmarshal(b, &object); err != nil {
			t.Fatal(err)
		}
		return object, nil
	}
}

func TestProtocol(t *testing.T) {
	hub := play.NewHub()
	hub.SetCatalog(newCatalog())
	hub.Publish(fragment(1, 5, true))
	_, next := open(t, hub, "?audio=0", func() any { return map[string]int{"stalls": 3} })

	m, _ := next()
	if m["type"] != "status" || m["status"].(map[string]any)["stalls"] != 3. {
		t.Errorf("status %v", m)
	}
	m, _ = next()
	tracks := m["tracks"].([]any)
	if m["type"] != "catalog" || m["title"] != "Test" || len(tracks) != 3 || tracks[2].(map[string]any)["rendition"] != "360p" {
		t.Errorf("catalog %v", m)
	}
	if selected := m["selected"].([]any); len(selected) != 1 || selected[0] != 1. {
		t.Errorf("selected %v, want the first video and no audio", selected)
	}
	_, b := next()
	if b[0] != typeInit || b[1] != 1 || string(b[b[3]:]) != "init one" || binary.BigEndian.Uint32(b[28:]) != 1000 {
		t.Errorf("init segment % x", b)
	}
	_, b = next()
	be := binary.BigEndian
	if b[0] != typeFragment || b[1] != 1 || b[2] != flagKey || b[3] != headerSize || be.Uint32(b[4:]) != 5 ||
		be.Uint64(b[8:]) != 500 || be.Uint32(b[16:]) != 100 || be.Uint64(b[20:]) != 1_700_000_000_123 || be.Uint32(b[28:]) != 1000 {
		t.Errorf("header % x", b[:headerSize])
	}
	if !bytes.Equal(b[b[3]:], fragment(1, 5, true).Data) {
		t.Error("other data than published")
	}

	hub.Publish(fragment(2, 1, true)) // not selected
	hub.Missed(1, 6)
	hub.Publish(fragment(1, 7, false))
	if m, _ = next(); m["type"] != "missed" || m["track"] != 1. || m["seq"] != 6. {
		t.Errorf("missed %v", m)
	}
	_, b = next()
	if b[2] != flagJoined {
		t.Errorf("flags %d, want joined", b[2])
	}
	c, err := cmaf.Parse(b[headerSize:])
	if err != nil || c.Base != 600 || c.Samples[0].Duration != 200 {
		t.Errorf("chunk %+v, %v: want it to start at 600 and last 200", c, err)
	}

	hub.Close()
	for m["type"] != "closed" {
		m, _ = next() // a status may come in between
	}
}

func TestChoice(t *testing.T) {
	hub := play.NewHub()
	hub.SetCatalog(newCatalog())
	for query, want := range map[string][]any{"": {1., 2.}, "?video=3": {3., 2.}, "?video=0": {2.}, "?video=9": {1., 2.}} {
		_, next := open(t, hub, query, nil)
		m, _ := next()
		if m["type"] != "status" || m["status"] != nil {
			t.Errorf("status %v", m)
		}
		m, _ = next()
		got := m["selected"].([]any)
		if len(got) != len(want) || got[0] != want[0] {
			t.Errorf("%s: selected %v, want %v", query, got, want)
		}
	}
	w := httptest.NewRecorder()
	Handler(hub, Options{}).ServeHTTP(w, httptest.NewRequest("GET", "/ws?video=x", nil))
	if w.Code != http.StatusBadRequest {
		t.Errorf("video=x: status %d", w.Code)
	}
}

func TestTalkingPagesAreClosed(t *testing.T) {
	hub := play.NewHub()
	for name, message := range map[string]string{"short": "hello", "huge": strings.Repeat("x", 1<<16)} {
		t.Run(name, func(t *testing.T) {
			conn, next := open(t, hub, "", nil)
			next()
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			_ = conn.Write(ctx, websocket.MessageText, []byte(message))
			var err error
			for err == nil {
				_, _, err = conn.Read(ctx)
			}
			if ctx.Err() != nil {
				t.Error("the connection stays open")
			}
		})
	}
	deadline := time.Now().Add(5 * time.Second)
	for hub.Players() > 0 {
		if time.Now().After(deadline) {
			t.Fatal("subscriptions stay open")
		}
		time.Sleep(time.Millisecond)
	}
}
