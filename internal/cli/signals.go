// SPDX-License-Identifier: GPL-3.0-or-later

package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// stopError is the cause of a context that ended because of a signal.
type stopError struct{ signal os.Signal }

func (e *stopError) Error() string { return "stopped by signal: " + e.signal.String() }

// notifyContext returns a context that SIGINT and SIGTERM end as stopContext
// says. The returned function gives the signals back and waits for the
// watcher's end.
func notifyContext(parent context.Context, stderr io.Writer, exit func(code int)) (context.Context, func()) {
	signals := make(chan os.Signal, 2) // one to stop, one to insist
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	ctx, stop := stopContext(parent, signals, stderr, exit)
	return ctx, func() {
		signal.Stop(signals)
		stop()
	}
}

// stopContext returns a context that the first signal cancels with a *stopError
// as its cause. A second signal ends the process at once, through exit, and so
// does an orderly end that takes longer than closeTimeout.
func stopContext(parent context.Context, signals <-chan os.Signal, stderr io.Writer, exit func(code int)) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	done := make(chan struct{})
	var watcher sync.WaitGroup
	watcher.Go(func() {
		select {
		case s := <-signals:
			cancel(&stopError{s})
		case <-done:
			return
		}
		late := time.NewTimer(closeTimeout)
		defer late.Stop()
		select {
		case <-signals:
			fmt.Fprintln(stderr, "p2plive: stopped at once by a second signal")
			exit(exitFailed)
		case <-late.C:
			fmt.Fprintf(stderr, "p2plive: could not close in order within %v\n", closeTimeout)
			exit(exitFailed)
		case <-done:
		}
	})
	return ctx, func() {
		close(done)
		watcher.Wait()
		cancel(nil)
	}
}
