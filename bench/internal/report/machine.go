// SPDX-License-Identifier: GPL-3.0-or-later

package report

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Machine is what the figures depend on beside the program.
type Machine struct {
	CPU    string   `json:"cpu"`
	Cores  int      `json:"cores"`
	OS     string   `json:"os"`
	Kernel string   `json:"kernel"`
	Go     string   `json:"go"`
	Peers  []string `json:"peers"` // module@version

	// Others is how many cores were busy with what is not the benchmark.
	Others float64 `json:"others"`
}

// quiet is what other programs may take, in cores, without a figure becoming theirs. The kernel's own work for
// the benchmark's datagrams is partly in it.
const quiet = 0.3

// Disturbed tells whether other programs took so much that no figure says what this machine can do.
func (m Machine) Disturbed() bool { return m.Others > quiet }

// peers are the modules that are compared.
var peers = []string{"github.com/quic-go/quic-go", "github.com/xtaci/kcp-go/v5"}

// ThisMachine describes where the program runs.
func ThisMachine() Machine {
	m := Machine{CPU: cpuModel(), Cores: runtime.NumCPU(), OS: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version()}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			if slices.Contains(peers, d.Path) {
				m.Peers = append(m.Peers, d.Path+"@"+d.Version)
			}
		}
	}
	return m
}

func cpuModel() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if key, value, _ := strings.Cut(lines.Text(), ":"); strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

func (m Machine) String() string {
	s := fmt.Sprintf("%d cores of %s, %s, kernel %s, %s", m.Cores, m.CPU, m.OS, m.Kernel, m.Go)
	if len(m.Peers) > 0 {
		s += ", " + strings.Join(m.Peers, ", ")
	}
	if m.Disturbed() {
		s += fmt.Sprintf("; other programs took %.1f cores meanwhile, so that no goal counts as met", m.Others)
	}
	return s
}
