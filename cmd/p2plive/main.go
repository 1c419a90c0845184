// SPDX-License-Identifier: GPL-3.0-or-later

// Command p2plive broadcasts live streams that their viewers carry to each
// other: tracker, edge, source and viewer in one program.
package main

import (
	"os"

	"p2plive/internal/cli"
)

func main() {
	os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
