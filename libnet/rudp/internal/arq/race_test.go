// SPDX-License-Identifier: GPL-3.0-or-later

//go:build race

package arq

// underRace: sync.Pool then forgets at random, and all takes ten times longer.
const underRace = true
