// SPDX-License-Identifier: GPL-3.0-or-later

package proc

import (
	"bytes"
	"strings"
	"sync"
	"time"
)

// maxLines bounds what is kept of an output; the oldest lines go first. A
// process of a test prints some hundreds.
const maxLines = 20_000

// Line is one line that a process has printed.
type Line struct {
	At   time.Time // when it was read
	Text string
}

// Lines keeps what a process prints, line by line. It is an io.Writer.
type Lines struct {
	mu      sync.Mutex
	lines   []Line
	partial []byte
	changed chan struct{} // closed at the next change
	ended   bool
}

func newLines() *Lines { return &Lines{changed: make(chan struct{})} }

// Write implements io.Writer.
func (l *Lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.partial = append(l.partial, b...)
	for {
		i := bytes.IndexByte(l.partial, '\n')
		if i < 0 {
			break
		}
		l.add(Line{now, string(l.partial[:i])})
		l.partial = l.partial[i+1:]
	}
	return len(b), nil
}

func (l *Lines) add(line Line) {
	if len(l.lines) == maxLines {
		l.lines = l.lines[1:]
	}
	l.lines = append(l.lines, line)
	l.wake()
}

func (l *Lines) wake() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// end says that nothing will be written any more.
func (l *Lines) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.partial) > 0 {
		l.add(Line{time.Now(), string(l.partial)})
		l.partial = nil
	}
	l.ended = true
	l.wake()
}

// All returns the lines so far.
func (l *Lines) All() []Line {
	lines, _, _ := l.state()
	return lines
}

func (l *Lines) state() (lines []Line, changed <-chan struct{}, ended bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Line(nil), l.lines...), l.changed, l.ended
}

// Containing returns the lines that contain text.
func (l *Lines) Containing(text string) []string {
	var found []string
	for _, line := range l.All() {
		if strings.Contains(line.Text, text) {
			found = append(found, line.Text)
		}
	}
	return found
}

// Await waits until a line that ok accepts has been printed, from the first
// line on. It reports false when that has not happened within that time, or
// the process has ended without it.
func (l *Lines) Await(within time.Duration, ok func(Line) bool) (Line, bool) {
	late := time.NewTimer(within)
	defer late.Stop()
	seen := 0
	for {
		lines, changed, ended := l.state()
		for ; seen < len(lines); seen++ {
			if ok(lines[seen]) {
				return lines[seen], true
			}
		}
		if ended {
			return Line{}, false
		}
		select {
		case <-changed:
		case <-late.C:
			return Line{}, false
		}
	}
}

// String returns the newest lines, for the log of a test that has failed.
func (l *Lines) String() string {
	const newest = 200
	lines := l.All()
	var b strings.Builder
	if cut := len(lines) - newest; cut > 0 {
		lines = lines[cut:]
		b.WriteString("...\n")
	}
	for _, line := range lines {
		b.WriteString(line.At.Format("15:04:05.000 "))
		b.WriteString(line.Text)
		b.WriteByte('\n')
	}
	return b.String()
}
