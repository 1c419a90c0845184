// SPDX-License-Identifier: GPL-3.0-or-later

//go:build unix

package cli

import (
	"bytes"
	"context"
	"errors"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

// KCP starts timers of its own when it is linked; they were there before.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m, goleak.IgnoreCurrent()) }

func TestSignals(t *testing.T) {
	exits := make(chan int, 1)
	var stderr bytes.Buffer
	ctx, stop := notifyContext(t.Context(), &stderr, func(code int) { exits <- code })

	kill(t, syscall.SIGTERM)
	<-ctx.Done()
	if cause, ok := errors.AsType[*stopError](context.Cause(ctx)); !ok || cause.signal != syscall.SIGTERM {
		t.Errorf("cause %v, want SIGTERM", context.Cause(ctx))
	}

	kill(t, syscall.SIGINT)
	if code := <-exits; code != exitFailed {
		t.Errorf("exit code %d after a second signal, want %d", code, exitFailed)
	}
	stop()
	if stderr.Len() == 0 {
		t.Error("nothing says why the program ended")
	}
}

func TestSlowClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		signals, exits := make(chan os.Signal, 1), make(chan int, 1)
		var stderr bytes.Buffer
		ctx, stop := stopContext(t.Context(), signals, &stderr, func(code int) { exits <- code })
		signals <- syscall.SIGTERM
		<-ctx.Done()
		start := time.Now()
		if code := <-exits; code != exitFailed || time.Since(start) != closeTimeout {
			t.Errorf("exit code %d after %v, want %d after %v", code, time.Since(start), exitFailed, closeTimeout)
		}
		stop()
		checkLine(t, stderr.String(), "could not close in order")
	})
}

func TestSignalsGivenBack(t *testing.T) {
	ctx, stop := notifyContext(t.Context(), &bytes.Buffer{}, func(int) { t.Error("exit") })
	stop()
	if ctx.Err() == nil {
		t.Error("context lives on after stop")
	}
}

func kill(t *testing.T, sig syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(syscall.Getpid(), sig); err != nil {
		t.Fatal(err)
	}
}
