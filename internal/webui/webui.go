// SPDX-License-Identifier: GPL-3.0-or-later

// Package webui serves the pages for people: the viewer's player and the
// tracker's list and watch page. Their sources are in web/; what they show
// comes over HTTP from the role that mounts them.
package webui

import (
	"embed"
	"io/fs"
	"net/http"
	"path"
	"strconv"
)

//go:generate go run ./build -root ../..

//go:embed dist
var dist embed.FS

// policies say what a page may load, and from where. None of them runs
// anything but its own scripts.
const (
	// localPolicy is for pages that talk to their own server only.
	localPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src blob:; " +
		"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	// watchPolicy lets the page play from any edge, whose addresses the
	// tracker does not know beforehand.
	watchPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src blob:; " +
		"connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'"
)

// Player serves the page of a viewer. It connects to ws next to itself.
func Player() http.Handler { return page("player.html", localPolicy) }

// TrackerIndex serves the list of live streams, read from /api/streams.
func TrackerIndex() http.Handler { return page("index.html", localPolicy) }

// TrackerWatch serves the page of one stream, named by the last part of its
// path and read from /api/streams/NAME. It plays from an edge.
func TrackerWatch() http.Handler { return page("watch.html", watchPolicy) }

// Assets serves what the pages load, to be mounted at /assets/. Names carry a
// hash of the content, so browsers may keep them.
func Assets() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := "dist/assets/" + path.Base(path.Clean("/"+r.URL.Path))
		content, err := fs.ReadFile(dist, name)
		if err != nil {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		send(w, name, content)
	})
}

func page(name, policy string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		content, err := fs.ReadFile(dist, "dist/"+name)
		if err != nil {
			http.Error(w, "this program was built without its pages", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("Cache-Control", "no-cache")
		send(w, name, content)
	})
}

// types by ending; the table of the operating system may say otherwise.
var types = map[string]string{
	".html": "text/html; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".svg":  "image/svg+xml",
}

func send(w http.ResponseWriter, name string, content []byte) {
	h := w.Header()
	h.Set("Content-Type", types[path.Ext(name)])
	h.Set("Content-Length", strconv.Itoa(len(content)))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	_, _ = w.Write(content)
}
