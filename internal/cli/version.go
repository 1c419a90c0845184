// SPDX-License-Identifier: GPL-3.0-or-later

package cli

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is set by the linker (see Makefile). A plain `go build` leaves it
// empty, and the version the go command recorded is printed.
var version string

type versionCmd struct{}

func (versionCmd) Help() string {
	return `Example:

    p2plive version`
}

// Run prints program, version, Go version and platform on one line.
func (versionCmd) Run(w *world) error {
	recorded := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		recorded = info.Main.Version
	}
	_, err := fmt.Fprintf(w.stdout, "p2plive %s %s %s/%s\n",
		cmp.Or(version, recorded, "unknown"), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
