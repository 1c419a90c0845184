// SPDX-License-Identifier: GPL-3.0-or-later

package proc

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// RSS returns the resident memory of the process in bytes (VmRSS of proc(5)).
func (p *Process) RSS() int64 {
	p.tb.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))
	if err != nil {
		p.tb.Fatalf("%s: %v", p.Name, err)
	}
	for line := range bytes.Lines(status) {
		if rest, ok := bytes.CutPrefix(line, []byte("VmRSS:")); ok {
			kib, err := strconv.ParseInt(string(bytes.TrimSpace(bytes.TrimSuffix(bytes.TrimSpace(rest), []byte("kB")))), 10, 64)
			if err != nil {
				p.tb.Fatalf("%s: VmRSS: %v", p.Name, err)
			}
			return kib << 10
		}
	}
	p.tb.Fatalf("%s: no VmRSS: it has ended", p.Name)
	return 0
}

// OpenFiles returns how many files and sockets the process has open.
func (p *Process) OpenFiles() int {
	p.tb.Helper()
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.PID()))
	if err != nil {
		p.tb.Fatalf("%s: %v", p.Name, err)
	}
	return len(files)
}
