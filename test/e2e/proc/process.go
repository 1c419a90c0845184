// SPDX-License-Identifier: GPL-3.0-or-later

package proc

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	// StopTime is what the program promises to need for an orderly end.
	StopTime = 5 * time.Second
	// killTime bounds the wait for a process that was killed.
	killTime = 10 * time.Second
)

// Spec says what to start.
type Spec struct {
	Name   string // in the log of the test
	Path   string // the program
	Args   []string
	Env    []string  // added to the environment
	Stdin  io.Reader // default: empty
	Stdout io.Writer // default: Process.Stdout
	// Foreign says that the program is not ours: it is killed at the end of
	// its test, and nothing is asked of how it ends.
	Foreign bool
}

// Process is a running program. At the end of its test it is stopped in order
// if it still runs.
type Process struct {
	Name           string
	Stdout, Stderr *Lines

	tb      testing.TB
	cmd     *exec.Cmd
	foreign bool
	done    chan struct{} // closed when it has ended
}

// Start starts a process.
func Start(tb testing.TB, spec Spec) *Process {
	tb.Helper()
	p := &Process{
		Name: spec.Name, Stdout: newLines(), Stderr: newLines(), tb: tb, foreign: spec.Foreign,
		cmd: exec.Command(spec.Path, spec.Args...), done: make(chan struct{}),
	}
	// A home of its own: a stream's key is kept there when no flag names a file.
	p.cmd.Env = append(cleanEnv(), append([]string{"XDG_CONFIG_HOME=" + tb.TempDir()}, spec.Env...)...)
	p.cmd.Stdin = spec.Stdin
	p.cmd.Stdout = p.Stdout
	if spec.Stdout != nil {
		p.cmd.Stdout = spec.Stdout
	}
	p.cmd.Stderr = p.Stderr
	if err := p.cmd.Start(); err != nil {
		tb.Fatalf("start %s: %v", p.Name, err)
	}
	go func() {
		_ = p.cmd.Wait() // its result is in ProcessState
		p.Stdout.end()
		p.Stderr.end()
		close(p.done)
	}()
	tb.Cleanup(p.cleanup)
	return p
}

// cleanEnv is the environment without the program's own variables: a test must
// not depend on who runs it.
func cleanEnv() []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "P2PLIVE_") {
			env = append(env, v)
		}
	}
	return env
}

func (p *Process) cleanup() {
	switch {
	case !p.Running():
	case p.foreign:
		p.Kill()
	default:
		p.Stop()
	}
	for _, sign := range []string{"DATA RACE", "panic: ", "fatal error: "} {
		if found := p.Stderr.Containing(sign); len(found) > 0 {
			p.tb.Errorf("%s: %s", p.Name, found[0])
		}
	}
	if p.tb.Failed() {
		p.tb.Logf("%s: %v\n%s\nstdout:\n%s\nstderr:\n%s", p.Name, p.cmd.Args, p.cmd.ProcessState, p.Stdout, p.Stderr)
	}
}

// PID returns the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Running reports whether the process has not ended.
func (p *Process) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Signal sends a signal.
func (p *Process) Signal(s os.Signal) {
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.tb.Errorf("%s: %v", p.Name, err)
	}
}

// Wait waits for the end of the process and returns its exit code. A process
// that does not end in time is killed, and the test fails.
func (p *Process) Wait(within time.Duration) int {
	p.tb.Helper()
	select {
	case <-p.done:
	case <-time.After(within):
		p.tb.Errorf("%s has not ended within %v", p.Name, within)
		p.Kill()
	}
	return p.cmd.ProcessState.ExitCode()
}

// Stop tells the process to end and wants exit code 0 in time.
func (p *Process) Stop() {
	p.tb.Helper()
	p.Signal(syscall.SIGTERM)
	if code := p.Wait(StopTime); code != 0 {
		p.tb.Errorf("%s: exit code %d after SIGTERM, want 0", p.Name, code)
	}
}

// Kill ends the process as a crash would, and waits for its end.
func (p *Process) Kill() {
	p.tb.Helper()
	p.Signal(syscall.SIGKILL)
	select {
	case <-p.done:
	case <-time.After(killTime):
		p.tb.Fatalf("%s cannot be killed", p.Name)
	}
}

// WaitLine waits for a line on standard error that contains text.
func (p *Process) WaitLine(within time.Duration, text string) {
	p.tb.Helper()
	p.WaitLines(within, text, 1)
}

// WaitLines waits for that many lines on standard error that contain text.
func (p *Process) WaitLines(within time.Duration, text string, count int) {
	p.tb.Helper()
	seen := 0
	_, ok := p.Stderr.Await(within, func(l Line) bool {
		if strings.Contains(l.Text, text) {
			seen++
		}
		return seen == count
	})
	if !ok {
		p.tb.Fatalf("%s has logged %q %d times within %v, want %d", p.Name, text, seen, within, count)
	}
}
