// SPDX-License-Identifier: GPL-3.0-or-later

package suite

import (
	"fmt"
	"io"
	"time"
)

// Progress says what is being measured.
type Progress struct {
	W     io.Writer
	Live  bool          // W is a terminal: one line that changes
	About time.Duration // what the whole will take
	start time.Time
}

// step says what comes next.
func (p *Progress) step(format string, args ...any) { p.print(fmt.Sprintf(format, args...)) }

// detail is for who is watching; a log does without.
func (p *Progress) detail(format string, args ...any) {
	if p.Live {
		p.print(fmt.Sprintf(format, args...))
	}
}

func (p *Progress) print(what string) {
	if p.W == nil {
		return
	}
	if p.start.IsZero() {
		p.start = time.Now()
	}
	line := fmt.Sprintf("[%3.0f s of about %.0f] %s", time.Since(p.start).Seconds(), p.About.Seconds(), what)
	if p.Live {
		fmt.Fprintf(p.W, "\r\x1b[K%s", line)
	} else {
		fmt.Fprintln(p.W, line)
	}
}

// Done leaves the progress line.
func (p *Progress) Done() {
	if p.W != nil && p.Live {
		fmt.Fprint(p.W, "\r\x1b[K")
	}
}
