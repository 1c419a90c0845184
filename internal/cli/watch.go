// SPDX-License-Identifier: GPL-3.0-or-later

package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sync/errgroup"

	"p2plive/internal/media/play/external"
	"p2plive/internal/media/play/file"
	"p2plive/internal/peer"
	"p2plive/internal/signal"
	"p2plive/internal/viewer"
)

type watchCmd struct {
	Link          streamLink    `arg:"" help:"Link of the stream, like http://tracker.example:7000/s/my-radio."`
	HTTP          listenAddr    `name:"http" help:"HTTP address of the player page, /live.ts and /live.m3u8." default:"127.0.0.1:8080"`
	UDP           listenAddr    `name:"udp" help:"UDP address for the sessions with others; port 0 is any." default:":0"`
	Out           string        `help:"Also write the stream to a file: fragmented MP4 if its name ends in .mp4, MPEG-TS if it ends in .ts; - is MPEG-TS to standard output." placeholder:"FILE"`
	Player        string        `help:"Start this player: mpv, vlc or ffplay." placeholder:"NAME"`
	UploadLimit   bitRate       `help:"Most that is sent to others, in bits per second, like 500k or 5M; 0 is no limit." default:"0" placeholder:"RATE"`
	EdgeOnly      bool          `help:"Take the stream from edges only: no other viewer learns this one's address, and nothing is given on to them."`
	NoPortMapping bool          `name:"no-port-mapping" help:"Do not ask the router to forward a port to this viewer (PCP, NAT-PMP, UPnP)."`
	Duration      time.Duration `help:"End after this time, like 20s or 1h; with --out, after this much was recorded; 0 runs until stopped." default:"0"`
	JSON          bool          `name:"json" help:"Print one JSON object a second to standard output; the last has \"final\":true."`
}

func (watchCmd) Help() string {
	return `A viewer takes the stream from other viewers and from an edge, and gives it on to others. Watch it in the page it prints, or in any player.

Examples:

    p2plive watch http://tracker.example:7000/s/my-radio
    p2plive watch http://tracker.example:7000/s/my-radio --player mpv
    p2plive watch http://tracker.example:7000/s/my-radio --out copy.mp4 --duration 20s
    p2plive watch http://tracker.example:7000/s/my-radio --out - | ffplay -`
}

// Validate is called by kong.
func (c *watchCmd) Validate() error {
	if c.JSON && c.Out == "-" {
		return errors.New("--json and --out - would both write to standard output: choose one")
	}
	if c.Out != "" {
		if err := file.Check(c.Out); err != nil {
			return fmt.Errorf("--out: %w", err)
		}
	}
	if c.Player != "" {
		if err := external.Check(c.Player); err != nil {
			return fmt.Errorf("--player: %w", err)
		}
	}
	return checkDuration(c.Duration)
}

// startAllowance is added to --duration when a recording has to be that long:
// the time to find the stream and its first key frame.
const startAllowance = 15 * time.Second

// errDone ends a watch in which everything asked for is done.
var errDone = errors.New("done")

// Run watches until ctx ends, the time is over, the recording is complete or
// the player is closed.
func (c *watchCmd) Run(ctx context.Context, w *world) error {
	v, err := viewer.New(viewer.Config{
		Link:          string(c.Link),
		HTTP:          string(c.HTTP),
		UDP:           string(c.UDP),
		UploadLimit:   int64(c.UploadLimit),
		EdgeOnly:      c.EdgeOnly,
		NoPortMapping: c.NoPortMapping,
		Logger:        w.log,
	})
	if err != nil {
		return err
	}
	c.greet(w, v.PageURL())

	limit := c.Duration
	if c.Out != "" && limit > 0 {
		limit += startAllowance
	}
	timed, cancel := withDuration(ctx, limit)
	defer cancel()
	group, running := errgroup.WithContext(timed)
	group.Go(func() error { return v.Serve(running) })
	if c.Out != "" {
		group.Go(func() error { return c.record(running, w, v) })
	}
	if c.Player != "" {
		group.Go(func() error {
			return cmp.Or(external.Run(running, c.Player, v.PageURL()+"live.ts", w.stderr), errDone)
		})
	}
	if c.JSON {
		group.Go(func() error { return eachSecond(running, func() error { return printJSON(w.stdout, v.Status()) }) })
	}
	err = group.Wait()
	if errors.Is(err, errDone) || err != nil && isCancellation(timed, err) {
		err = nil
	}
	last := v.Status()
	if c.JSON {
		last.Final = true
		err = cmp.Or(err, printJSON(w.stdout, last))
	}
	if err == nil && ctx.Err() == nil {
		return neverSeen(last, string(c.Link))
	}
	return err
}

// greet says where to look, on the stream that carries no data.
func (c *watchCmd) greet(w *world, page string) {
	out := w.stdout
	if c.JSON || c.Out == "-" {
		out = w.stderr
	}
	fmt.Fprintf(out, "watch at %s, or in a player at %slive.ts\n", page, page)
}

// record writes the stream to --out and ends the watch when it has it all.
func (c *watchCmd) record(ctx context.Context, w *world, v *viewer.Viewer) error {
	result, err := file.Record(ctx, v.Feed(), file.Options{Path: c.Out, Stdout: w.stdout, Duration: c.Duration})
	if err != nil {
		return fmt.Errorf("--out %s: %w", c.Out, err)
	}
	w.log.Info("recorded", "file", c.Out, "bytes", result.Bytes, "duration", result.Duration, "missed", result.Missed)
	return errDone
}

// neverSeen is the error of a watch whose time ended before it had anything to
// show.
func neverSeen(last peer.Status, link string) error {
	if last.FragmentsPlayed > 0 {
		return nil
	}
	switch last.State {
	case peer.StateConnecting:
		return fmt.Errorf("%w: %s", signal.ErrUnreachable, link)
	case peer.StateWaiting:
		return fmt.Errorf("%w: %s", errNotLive, link)
	case peer.StateQueued, peer.StateFull:
		return fmt.Errorf("%w: %s", errFull, link)
	}
	return fmt.Errorf("nothing of the stream has arrived: %s", link)
}

// withDuration limits ctx to d; 0 is no limit.
func withDuration(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, d)
}

// eachSecond calls f once a second until ctx ends.
func eachSecond(ctx context.Context, f func() error) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			if err := f(); err != nil {
				return err
			}
		}
	}
}

// printJSON writes v as one line.
func printJSON(w io.Writer, v any) error { return json.NewEncoder(w).Encode(v) }
