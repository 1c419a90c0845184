// SPDX-License-Identifier: GPL-3.0-or-later

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"p2plive/internal/signal"
)

// Exit codes of the process. Scripts rely on them.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitUnreachable = 3
)

// errNotLive says that the time was over before the stream's source was there.
var errNotLive = errors.New("the stream was not live")

// errFull says that the time was over before the tracker let the viewer in.
var errFull = errors.New("the stream was full")

// codedError is an error that knows the exit code it leads to.
type codedError struct {
	code int
	err  error
}

func (e *codedError) Error() string { return e.err.Error() }
func (e *codedError) Unwrap() error { return e.err }

// usageErrorf makes an error for what the user wrote wrong: exit code 2.
func usageErrorf(format string, args ...any) error {
	return &codedError{exitUsage, fmt.Errorf(format, args...)}
}

// ExitCode maps what Run returned to the exit code of the process: 0 done,
// 1 failed, 2 bad usage, 3 could not reach what was named.
func ExitCode(err error) int {
	if err == nil {
		return exitDone
	}
	if coded, ok := errors.AsType[*codedError](err); ok {
		return coded.code
	}
	for _, away := range []error{errNotLive, errFull, signal.ErrUnreachable, signal.ErrProtocol} {
		if errors.Is(err, away) {
			return exitUnreachable
		}
	}
	if dial, ok := errors.AsType[*net.OpError](err); ok && dial.Op == "dial" {
		return exitUnreachable
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return exitUnreachable
	}
	return exitFailed
}

// parseError turns an error of the parser into a usage error that names the
// help that answers it.
func parseError(err error) error {
	if coded, ok := errors.AsType[*codedError](err); ok {
		return coded
	}
	help := "p2plive --help"
	if parse, ok := errors.AsType[*kong.ParseError](err); ok && parse.Context != nil {
		if node := parse.Context.Selected(); node != nil {
			help = node.FullPath() + " --help"
		}
	}
	return usageErrorf("%w; see %s", err, help)
}

// printError writes err as one line.
func printError(w io.Writer, err error) {
	msg := strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
	fmt.Fprintf(w, "p2plive: %s%s\n", msg, advice(err))
}

// advice adds what to do to errors of the system that only say what happened.
func advice(err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "; another program uses that port: stop it or choose another port"
	case errors.Is(err, syscall.EACCES) && isListen(err):
		return "; ports below 1024 need a privilege: choose a higher one"
	}
	return ""
}

func isListen(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "listen"
}

// isCancellation reports whether err is how a role says that its context
// ended, rather than something that went wrong meanwhile.
func isCancellation(ctx context.Context, err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.Cause(ctx))
}
