// SPDX-License-Identifier: GPL-3.0-or-later

// Package external starts a player that is installed on this machine, with
// the options that keep it close to live.
package external

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"
)

// ErrUnknown is returned for a player that there are no options for.
var ErrUnknown = errors.New("unknown player: want mpv, vlc or ffplay")

// ErrNotInstalled is returned for a player that is not on this machine.
var ErrNotInstalled = errors.New("is not installed, or not on the PATH")

// grace is how long a player may take to close its window and audio device
// before it is killed. The whole program has five seconds to end.
const grace = 2 * time.Second

// options of each player that were measured to keep it within half a second
// of live on MPEG-TS over HTTP.
var options = map[string][]string{
	"mpv":    {"--profile=low-latency", "--really-quiet", "--force-window=immediate"},
	"vlc":    {"--quiet", "--network-caching=200", "--live-caching=200", "--play-and-exit"},
	"ffplay": {"-loglevel", "error", "-fflags", "nobuffer", "-flags", "low_delay", "-framedrop", "-probesize", "200000", "-autoexit"},
}

// Check reports with ErrUnknown or ErrNotInstalled a player that Run could
// not start.
func Check(name string) error {
	_, err := find(name)
	return err
}

func find(name string) (path string, err error) {
	if _, ok := options[name]; !ok {
		return "", fmt.Errorf("%q: %w", name, ErrUnknown)
	}
	path, err = exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%s %w", name, ErrNotInstalled)
	}
	return path, nil
}

// Run plays the MPEG-TS at url until the player ends or ctx does; then the
// player is asked to end, and killed if it does not. A window that the user
// closes is an ordinary end. What the player complains about goes to stderr.
func Run(ctx context.Context, name, url string, stderr io.Writer) error {
	path, err := find(name)
	if err != nil {
		return err
	}
	args := append(append([]string{}, options[name]...), url)
	cmd := exec.CommandContext(ctx, path, args...)
	var last tail
	cmd.Stdout, cmd.Stderr = stderr, io.MultiWriter(stderr, &last)
	cmd.Cancel = func() error { return interrupt(cmd.Process) }
	cmd.WaitDelay = grace
	if err := cmd.Run(); err != nil && ctx.Err() == nil {
		return fmt.Errorf("%s: %w%s", name, err, last.line())
	}
	return nil
}

// tail keeps the end of what was written to it.
type tail struct{ b []byte }

func (t *tail) Write(p []byte) (int, error) {
	const most = 512
	t.b = append(t.b, p...)
	if len(t.b) > most {
		t.b = append([]byte{}, t.b[len(t.b)-most:]...)
	}
	return len(p), nil
}

// line returns the last line, ready to follow an error.
func (t *tail) line() string {
	s := strings.TrimSpace(string(t.b))
	if s == "" {
		return ""
	}
	return ": " + strings.TrimSpace(s[strings.LastIndexByte(s, '\n')+1:])
}
