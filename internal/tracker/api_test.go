// SPDX-License-Identifier: GPL-3.0-or-later

package tracker

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"p2plive/internal/signal"
)

func get(t *testing.T, url string) (int, http.Header, string) {
	t.Helper()
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(b)
}

func TestHTTPAPI(t *testing.T) {
	tr, _ := serve(t, Config{})
	edge := connect(t, tr.url(), anEdge(""))
	wait[signal.Welcome](edge)
	source := connect(t, tr.url(), aSource("radio", 1, ""))
	id := wait[signal.Welcome](source).Stream
	edge.SendReport(signal.Report{Carried: []signal.Carried{{Stream: id, Kbps: 2500}}})
	viewer := connect(t, tr.url(), aViewer("radio"))
	wait[signal.Peers](viewer) // so the edge's report is in

	_, header, body := get(t, tr.url()+"/api/streams")
	var list struct{ Streams []map[string]any }
	if err := json.Unmarshal([]byte(body), &list); err != nil || len(list.Streams) != 1 {
		t.Fatalf("%s: %v", body, err)
	}
	s := list.Streams[0]
	if s["name"] != "radio" || s["id"] != id.String() || s["viewers"] != 1.0 || s["edges"] != 1.0 || s["kbps"] != 2500.0 {
		t.Errorf("streams: %s", body)
	}
	if header.Get("Access-Control-Allow-Origin") != "*" || !strings.HasPrefix(header.Get("Content-Type"), "application/json") {
		t.Errorf("header %v", header)
	}
	for _, name := range []string{"radio", "RADIO", id.String()} {
		_, _, body = get(t, tr.url()+"/api/streams/"+name)
		var d struct {
			Live  bool
			Edges []struct {
				HTTPURL string `json:"http_url"`
			}
		}
		if err := json.Unmarshal([]byte(body), &d); err != nil || !d.Live || len(d.Edges) != 1 || d.Edges[0].HTTPURL != "http://127.0.0.1:7180" {
			t.Errorf("stream %s: %s: %v", name, body, err)
		}
		if strings.Contains(body, viewer.id.String()) {
			t.Errorf("a stranger learns of a viewer: %s", body)
		}
	}
	for path, want := range map[string]int{
		"/api/streams/tv": 404, "/api/streams/-": 400, "/healthz": 200, "/api/nodes": 200, "/metrics": 200, "/api/other": 404,
		"/api/connect": 426, "/": 200, "/s/radio": 200, "/assets/none": 404, "/other": 404,
	} {
		status, _, body := get(t, tr.url()+path)
		if status != want {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
		if strings.Contains(body, viewer.id.String()) {
			t.Errorf("%s names a viewer: %s", path, body)
		}
	}
	_, _, body = get(t, tr.url()+"/metrics")
	for _, line := range []string{
		`p2plive_tracker_peers{role="viewer"} 1`, `p2plive_tracker_peers{role="edge"} 1`, `p2plive_tracker_streams_live 1`,
		`p2plive_tracker_messages_total{type="report"} 1`,
	} {
		if !strings.Contains(body, line) {
			t.Errorf("metrics without %q", line)
		}
	}
}

func TestAPIRateLimit(t *testing.T) {
	tr, _ := serve(t, Config{})
	limited := 0
	for range apiBurst + 100 {
		if status, _, _ := get(t, tr.url()+"/api/streams"); status == http.StatusTooManyRequests {
			limited++
		}
	}
	if limited == 0 {
		t.Error("no request was refused")
	}
}
