// SPDX-License-Identifier: GPL-3.0-or-later

package cli

import (
	"bufio"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestTrackerStops(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	logs, stderr := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := Run(ctx, []string{"tracker", "--listen", "127.0.0.1:0", "--udp", "127.0.0.1:0"}, nil, io.Discard, stderr)
		stderr.Close()
		ended <- err
	}()
	lines := bufio.NewScanner(logs)
	for lines.Scan() && !strings.Contains(lines.Text(), "tracker is up") {
	}
	cancel(&stopError{syscall.SIGTERM})
	for lines.Scan() { // what it logs while it closes
	}
	if err := <-ended; err != nil {
		t.Errorf("a stopped tracker ends with %v, want nil", err)
	}
}

func TestTrackerFails(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	empty := filepath.Join(t.TempDir(), "empty.key")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		args []string
		code int
		want string
	}{
		"port in use":                  {[]string{"--listen", taken.Addr().String(), "--udp", "127.0.0.1:0"}, exitFailed, "choose another"},
		"bad address":                  {[]string{"--listen", "7000"}, exitUsage, "write HOST:PORT"},
		"two addresses, one not named": {[]string{"--udp-alt", "127.0.0.2"}, exitUsage, "needs --udp to name"},
		"second address not one":       {[]string{"--udp-alt", "here"}, exitUsage, "is not an IP address"},
		"bad strategy":                 {[]string{"--strategy", "best"}, exitUsage, "--strategy must be one of"},
		"empty key":                    {[]string{"--edge-key-file", empty}, exitUsage, "there is no key in it"},
		"missing key":                  {[]string{"--publish-key-file", empty + "x"}, exitUsage, "no such file"},
		"argument too many":            {[]string{"now"}, exitUsage, "unexpected argument now"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, stderr, code := run(t.Context(), append([]string{"tracker"}, tt.args...)...)
			if code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			checkLine(t, stderr, tt.want)
		})
	}
}
