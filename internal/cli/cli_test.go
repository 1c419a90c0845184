// SPDX-License-Identifier: GPL-3.0-or-later

package cli

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"p2plive/internal/signal"
)

var update = flag.Bool("update", false, "write the golden files of this package anew")

// run runs a command line as Main does, without a process and its signals.
func run(ctx context.Context, args ...string) (stdout, stderr string, code int) {
	var out, errs bytes.Buffer
	err := Run(ctx, args, strings.NewReader(""), &out, &errs)
	if err != nil {
		printError(&errs, err)
	}
	return out.String(), errs.String(), ExitCode(err)
}

func TestBadUsage(t *testing.T) {
	tests := map[string]struct {
		args []string
		want string // part of the line on stderr
	}{
		"no command":       {nil, "see p2plive --help"},
		"unknown command":  {[]string{"serve"}, "unexpected argument serve; see p2plive --help"},
		"unknown flag":     {[]string{"version", "--loud"}, "unknown flag --loud; see p2plive version --help"},
		"spare argument":   {[]string{"version", "please"}, "unexpected argument please"},
		"log level":        {[]string{"version", "--log-level", "all"}, "--log-level must be one of"},
		"log format":       {[]string{"version", "--log-format", "xml"}, "--log-format must be one of"},
		"no config file":   {[]string{"version", "--config", filepath.Join("no", "such.yaml")}, "no such file"},
		"config directory": {[]string{"version", "--config", "."}, "--config: "},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			stdout, stderr, code := run(t.Context(), tt.args...)
			if code != exitUsage {
				t.Errorf("exit code %d, want %d", code, exitUsage)
			}
			if stdout != "" {
				t.Errorf("stdout %q, want nothing", stdout)
			}
			checkLine(t, stderr, tt.want)
		})
	}
}

// checkLine wants one line that contains want.
func checkLine(t *testing.T, got, want string) {
	t.Helper()
	if strings.Count(got, "\n") != 1 || !strings.HasPrefix(got, "p2plive: ") || !strings.Contains(got, want) {
		t.Errorf("stderr %q, want one line with %q", got, want)
	}
}

func TestHelp(t *testing.T) {
	t.Setenv("COLUMNS", "100") // of the terminal that runs the test
	commands := []string{""}
	for _, node := range testModel(t).Children {
		commands = append(commands, node.Name)
		for _, child := range node.Children {
			commands = append(commands, node.Name+" "+child.Name)
		}
	}
	for _, command := range commands {
		t.Run("p2plive "+command, func(t *testing.T) {
			args := append(strings.Fields(command), "--help")
			stdout, stderr, code := run(t.Context(), args...)
			if code != exitDone || stderr != "" {
				t.Fatalf("exit code %d, stderr %q", code, stderr)
			}
			if command != "" && !strings.Contains(stdout, "    p2plive "+command) {
				t.Error("help shows no example")
			}
			golden := filepath.Join("testdata", "help", strings.ReplaceAll(strings.TrimSpace("p2plive "+command), " ", "-")+".txt")
			if *update {
				if err := os.WriteFile(golden, []byte(stdout), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if stdout != string(want) {
				t.Errorf("help differs from %s (if that is meant: go test ./internal/cli -update):\n%s", golden, stdout)
			}
		})
	}
}

func TestVersion(t *testing.T) {
	stdout, stderr, code := run(t.Context(), "version")
	if code != exitDone || stderr != "" || !strings.HasPrefix(stdout, "p2plive ") || strings.Count(stdout, "\n") != 1 {
		t.Errorf("stdout %q, stderr %q, exit code %d", stdout, stderr, code)
	}
}

func TestExitCode(t *testing.T) {
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	inUse := &net.OpError{Op: "listen", Net: "udp", Err: os.NewSyscallError("bind", syscall.EADDRINUSE)}
	tests := map[string]struct {
		err  error
		want int
	}{
		"done":          {nil, exitDone},
		"failed":        {errors.New("disk full"), exitFailed},
		"port in use":   {fmt.Errorf("start: %w", inUse), exitFailed},
		"usage":         {usageErrorf("no"), exitUsage},
		"wrapped usage": {fmt.Errorf("tracker: %w", usageErrorf("no")), exitUsage},
		"tracker away":  {fmt.Errorf("watch: %w", signal.ErrUnreachable), exitUnreachable},
		"not a tracker": {fmt.Errorf("watch: %w", signal.ErrProtocol), exitUnreachable},
		"not live":      {fmt.Errorf("%w: x", errNotLive), exitUnreachable},
		"wrong key":     {&signal.RejectedError{Text: "wrong edge key"}, exitFailed},
		"refused":       {fmt.Errorf("watch: %w", refused), exitUnreachable},
		"no such host":  {&net.DNSError{Err: "no such host"}, exitUnreachable},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := ExitCode(tt.err); got != tt.want {
				t.Errorf("ExitCode(%v) = %d, want %d", tt.err, got, tt.want)
			}
		})
	}
}

func TestPrintErrorIsOneLine(t *testing.T) {
	var out bytes.Buffer
	printError(&out, errors.Join(errors.New("first"), errors.New("second")))
	checkLine(t, out.String(), "first; second")

	out.Reset()
	printError(&out, fmt.Errorf("listen: %w", os.NewSyscallError("bind", syscall.EADDRINUSE)))
	checkLine(t, out.String(), "choose another port")
}
