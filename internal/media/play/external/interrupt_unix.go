// SPDX-License-Identifier: GPL-3.0-or-later

//go:build !windows

package external

import (
	"os"
	"syscall"
)

func interrupt(p *os.Process) error { return p.Signal(syscall.SIGTERM) }
