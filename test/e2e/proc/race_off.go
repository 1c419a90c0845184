// SPDX-License-Identifier: GPL-3.0-or-later

//go:build !race

package proc

// RaceEnabled says whether this test runs under the race detector; the program
// it starts then does too.
const RaceEnabled = false
