// SPDX-License-Identifier: GPL-3.0-or-later

package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"p2plive/internal/demo"
)

// maxDemoViewers bounds `demo --viewers`: each is a whole viewer with a socket
// and a store, all on one machine.
const maxDemoViewers = 100

type demoCmd struct {
	Viewers  int           `help:"How many viewers to run." default:"3"`
	Duration time.Duration `help:"End after this time, like 30s or 5m; 0 runs until stopped." default:"0"`
	HTTP     listenAddr    `name:"http" help:"Address of the first viewer's player page." default:"127.0.0.1:8080"`
	JSON     bool          `name:"json" help:"Print one JSON object with the results at the end, and nothing else."`
}

func (demoCmd) Help() string {
	return `Tracker, edge, source and viewers run in this one process, each with a UDP socket of its own on 127.0.0.1. The source sends a built-in test picture; nothing else need be installed. Open the address it prints in a browser; the terminal shows what each viewer gets from others and from the edge.

Examples:

    p2plive demo
    p2plive demo --viewers 10 --duration 30s --json`
}

// Validate is called by kong.
func (c *demoCmd) Validate() error {
	if c.Viewers < 1 || c.Viewers > maxDemoViewers {
		return fmt.Errorf("--viewers must be from 1 to %d, not %d", maxDemoViewers, c.Viewers)
	}
	return checkDuration(c.Duration)
}

// Run runs the demo until ctx ends or the time is over, and says what it came
// to.
func (c *demoCmd) Run(ctx context.Context, w *world) error {
	d, err := demo.New(demo.Config{Viewers: c.Viewers, HTTP: string(c.HTTP), Logger: quieter(w.log)})
	if err != nil {
		return err
	}
	timed, cancel := withDuration(ctx, c.Duration)
	defer cancel()
	group, running := errgroup.WithContext(timed)
	group.Go(func() error { return d.Serve(running) })
	if !c.JSON {
		fmt.Fprintf(w.stdout, "watch at %s (viewer 1), or straight from the edge at %s\n", d.PageURL(), d.WatchURL())
		group.Go(func() error { return showStatus(running, w.stdout, d) })
	}
	if err := group.Wait(); err != nil && !isCancellation(timed, err) {
		return err
	}
	result := d.Result()
	if c.JSON {
		result.Final = true
		return printJSON(w.stdout, result)
	}
	_, err = fmt.Fprintf(w.stdout, "%.0f%% came from viewers (%.0f%% is the most possible); %d fragments missed, %d stalls\n",
		100*result.Offload, 100*result.OffloadMax, result.FragmentsMissed, result.Stalls)
	return err
}

// quieter keeps what the roles log in their course out of the status, unless
// the user asked for all of it.
func quieter(log *slog.Logger) *slog.Logger {
	if log.Enabled(context.Background(), slog.LevelDebug) {
		return log
	}
	return slog.New(minLevel{log.Handler(), slog.LevelWarn})
}

// minLevel is a handler that drops records below a level.
type minLevel struct {
	slog.Handler
	level slog.Level
}

func (h minLevel) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= h.level && h.Handler.Enabled(ctx, l)
}

func (h minLevel) WithAttrs(attrs []slog.Attr) slog.Handler {
	return minLevel{h.Handler.WithAttrs(attrs), h.level}
}

func (h minLevel) WithGroup(name string) slog.Handler {
	return minLevel{h.Handler.WithGroup(name), h.level}
}

// showStatus writes how the viewers do until ctx ends: in place every second on
// a terminal, else a line every five seconds.
func showStatus(ctx context.Context, out io.Writer, d *demo.Demo) error {
	start := time.Now()
	interval, terminal := 5*time.Second, isTerminal(out)
	if terminal {
		interval = time.Second
	}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	up := ""
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-ticker.C:
			elapsed, viewers := now.Sub(start).Round(time.Second), d.Viewers()
			text := statusLine(elapsed, viewers)
			if terminal {
				text = up + statusTable(elapsed, viewers)
				up = cursorUp(1 + len(viewers))
			}
			if _, err := io.WriteString(out, text); err != nil {
				return err
			}
		}
	}
}
