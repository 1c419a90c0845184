// SPDX-License-Identifier: GPL-3.0-or-later

package external

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// fake puts a script on the PATH in the place of a player.
func fake(t *testing.T, name, script string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":/usr/bin:/bin")
	return dir
}

func TestRefuses(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if err := Check("totem"); !errors.Is(err, ErrUnknown) {
		t.Errorf("totem: %v, want ErrUnknown", err)
	}
	if err := Check("mpv"); !errors.Is(err, ErrNotInstalled) {
		t.Errorf("mpv: %v, want ErrNotInstalled", err)
	}
}

func TestRun(t *testing.T) {
	fake(t, "mpv", `for last; do :; done; test "$last" = http://127.0.0.1:1/live.ts`)
	if err := Run(context.Background(), "mpv", "http://127.0.0.1:1/live.ts", io.Discard); err != nil {
		t.Error(err)
	}
	fake(t, "mpv", `echo "no such display" >&2; exit 3`)
	err := Run(context.Background(), "mpv", "u", io.Discard)
	if err == nil || err.Error() != "mpv: exit status 3: no such display" {
		t.Errorf("error %v", err)
	}
}

func TestRunEndsWithContext(t *testing.T) {
	dir := fake(t, "mpv", `echo up > "$0.up"; exec sleep 60`)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer cancel()
		for {
			if _, err := os.Stat(filepath.Join(dir, "mpv.up")); err == nil {
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	start := time.Now()
	if err := Run(ctx, "mpv", "u", io.Discard); err != nil {
		t.Error(err)
	}
	if d := time.Since(start); d > grace {
		t.Errorf("player took %v to end", d)
	}
}
