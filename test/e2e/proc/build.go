// SPDX-License-Identifier: GPL-3.0-or-later

package proc

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Binaries are the builds of the program that a test run uses.
type Binaries struct {
	dir string
	// Checked has the race detector if the test has it.
	Checked string
	// Fast has no race detector: for what is measured.
	Fast string
}

// Build builds the program. Remove the result when the tests are done.
func Build() (Binaries, error) {
	dir, err := os.MkdirTemp("", "p2plive-e2e-")
	if err != nil {
		return Binaries{}, err
	}
	b := Binaries{dir: dir}
	b.Fast, err = BuildFast(dir)
	b.Checked = b.Fast
	if RaceEnabled && err == nil {
		b.Checked = filepath.Join(dir, "p2plive-race")
		err = build(b.Checked, "-race")
	}
	if err != nil {
		b.Remove()
	}
	return b, err
}

// BuildFast builds the program without the race detector into a directory, and
// returns its path.
func BuildFast(dir string) (string, error) {
	path := filepath.Join(dir, "p2plive")
	return path, build(path)
}

// Remove deletes what Build has made.
func (b Binaries) Remove() { _ = os.RemoveAll(b.dir) }

func build(to string, flags ...string) error {
	args := append(append([]string{"build"}, flags...), "-o", to, "p2plive/cmd/p2plive")
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("go %v: %w\n%s", args, err, out)
	}
	return nil
}
