// SPDX-License-Identifier: GPL-3.0-or-later

package webui

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

func get(h http.Handler, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w
}

func TestPages(t *testing.T) {
	for name, page := range map[string]http.Handler{"player": Player(), "index": TrackerIndex(), "watch": TrackerWatch()} {
		w := get(page, "/")
		body := w.Body.String()
		policy := w.Header().Get("Content-Security-Policy")
		if w.Code != 200 || !strings.HasPrefix(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") ||
			w.Header().Get("X-Content-Type-Options") != "nosniff" || w.Header().Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: %d, headers %v", name, w.Code, w.Header())
		}
		// The policy forbids all of these, so none may be needed.
		if inline := regexp.MustCompile(`<script>|<style|style="| on[a-z]+="`).FindString(body); inline != "" {
			t.Errorf("%s has inline %q", name, inline)
		}
		links := regexp.MustCompile(`(?:src|href)="(/assets/[^"]+)"`).FindAllStringSubmatch(body, -1)
		if len(links) < 3 {
			t.Errorf("%s: %d assets", name, len(links))
		}
		size := w.Body.Len()
		seen := map[string]bool{}
		for _, link := range links {
			a := get(Assets(), link[1])
			if a.Code != 200 || !strings.Contains(a.Header().Get("Cache-Control"), "immutable") {
				t.Errorf("%s: %s: %d, %v", name, link[1], a.Code, a.Header())
			}
			if !seen[link[1]] {
				seen[link[1]] = true
				size += a.Body.Len()
			}
		}
		if size > 60<<10 {
			t.Errorf("%s: %d bytes, want at most 60 KiB", name, size)
		}
	}
}

func TestAssetsServeNothingElse(t *testing.T) {
	for _, path := range []string{"/assets/", "/assets/none.js", "/assets/../player.html", "/assets/%2e%2e/player.html", "/player.html"} {
		if w := get(Assets(), path); w.Code != http.StatusNotFound {
			t.Errorf("%s: status %d", path, w.Code)
		}
	}
}

func TestEveryAssetHasAType(t *testing.T) {
	err := fs.WalkDir(dist, "dist/assets", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && types[path[strings.LastIndex(path, "."):]] == "" {
			t.Errorf("%s has no type", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestDistIsWhatTheSourcesGive(t *testing.T) {
	if out, err := exec.Command("go", "run", "./build", "-root", "../..", "-check").CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
