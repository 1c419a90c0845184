// SPDX-License-Identifier: GPL-3.0-or-later

//go:build race

package rudp

// underRace: figures are then taken of fewer seeds and slower paths. The race detector makes them ten times slower, and
// they are taken in full without it.
const underRace = true
