// SPDX-License-Identifier: GPL-3.0-or-later

package suite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/rpc"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"p2plive/bench/internal/agent"
)

const (
	// roleVariable, set to roleAgent, makes this program an agent.
	roleVariable = "P2PLIVE_BENCH_ROLE"
	roleAgent    = "agent"
	// closeTimeout: an overloaded agent may take long to close in order, which nobody needs.
	closeTimeout = 2 * time.Second
	// keptStderr bounds what is kept of an agent's stderr, for the error.
	keptStderr = 4096
)

// RunAgent makes the process an agent if it was started as one, and tells whether it was. Programs that run
// the suite call it before anything else.
func RunAgent() bool {
	if os.Getenv(roleVariable) != roleAgent {
		return false
	}
	if err := agent.Serve(pipe{os.Stdin, os.Stdout}); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return true
}

type pipe struct {
	io.Reader
	io.WriteCloser
}

// place says where an agent runs.
type place struct {
	cpus  []int // nil: wherever the kernel wants
	procs int   // GOMAXPROCS; 0: Go's own choice
}

// child is an agent in a process of its own.
type child struct {
	cmd    *exec.Cmd
	rpc    *rpc.Client
	stderr tail
}

func start(p place) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{cmd: exec.Command(self)}
	// Under the race detector a process would sleep for a second before it exits.
	c.cmd.Env = append(os.Environ(), roleVariable+"="+roleAgent, "GORACE=atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	if p.procs > 0 {
		c.cmd.Env = append(c.cmd.Env, "GOMAXPROCS="+strconv.Itoa(p.procs))
	}
	c.cmd.Stderr = &c.stderr
	c.cmd.WaitDelay = time.Second
	in, err := c.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := startOn(c.cmd, p.cpus); err != nil {
		return nil, fmt.Errorf("start agent: %w", err)
	}
	c.rpc = rpc.NewClient(pipe{out, in})
	return c, nil
}

// startOn starts a process whose threads stay on the given CPUs: they inherit them from the thread that forks.
func startOn(cmd *exec.Cmd, cpus []int) error {
	if cpus == nil {
		return cmd.Start()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return err
	}
	for _, c := range cpus {
		set.Set(c)
	}
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return err
	}
	return errors.Join(cmd.Start(), unix.SchedSetaffinity(0, &before))
}

// do runs a command of the agent.
func (c *child) do(ctx context.Context, command string, args, result any) error {
	if result == nil {
		result = new(agent.Nothing)
	}
	call := c.rpc.Go("Agent."+command, args, result, make(chan *rpc.Call, 1))
	select {
	case <-call.Done:
		if call.Error == nil {
			return nil
		}
		if errors.Is(call.Error, rpc.ErrShutdown) || errors.Is(call.Error, io.ErrUnexpectedEOF) {
			return fmt.Errorf("agent died: %s", c.stderr.String())
		}
		return fmt.Errorf("%s: %w", strings.ToLower(command), call.Error)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (c *child) sample(ctx context.Context, collect bool) (s agent.Sample, err error) {
	err = c.do(ctx, "Sample", collect, &s)
	return s, err
}

// close ends the process.
func (c *child) close() {
	c.rpc.Close()
	kill := time.AfterFunc(closeTimeout, func() { c.cmd.Process.Kill() })
	defer kill.Stop()
	c.cmd.Wait()
}

// tail keeps the last bytes written to it.
type tail struct {
	mu   sync.Mutex
	kept []byte
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.kept)
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, b...)
	if over := len(t.kept) - keptStderr; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	return len(b), nil
}
