// SPDX-License-Identifier: GPL-3.0-or-later

package webui

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"p2plive/internal/media/play"
	"p2plive/internal/media/play/playhttp"
)

const (
	// headerTimeout is what a client may take to ask for something.
	headerTimeout = 5 * time.Second
	// idleTimeout closes connections that nobody uses.
	idleTimeout = time.Minute
	// maxHeader bounds a request's header: browsers send about 1 KiB.
	maxHeader = 16 << 10
	// goodbye is what running requests get to end when the server stops.
	goodbye = time.Second
)

// ServePlayer serves the player page, and all ways to play a feed, to this
// host until ctx ends. It closes the listener.
func ServePlayer(ctx context.Context, l net.Listener, feed play.Feed, status func() any) error {
	player := playhttp.New(feed, playhttp.Options{Status: status})
	defer player.Close()
	mux := http.NewServeMux()
	mux.Handle("/", player)
	mux.Handle("GET /{$}", playhttp.Guard(Player()))
	mux.Handle("GET /assets/", playhttp.Guard(Assets()))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	return Serve(ctx, l, mux)
}

// Serve runs an HTTP server until ctx ends, then gives running requests a
// moment. It closes the listener. Requests see ctx's end in their own context.
func Serve(ctx context.Context, l net.Listener, h http.Handler) error {
	server := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		// What clients do wrong is their business, and not worth a line.
		ErrorLog: slog.NewLogLogger(slog.Default().Handler(), slog.LevelDebug),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbye)
	defer cancel()
	if server.Shutdown(last) != nil {
		_ = server.Close()
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
