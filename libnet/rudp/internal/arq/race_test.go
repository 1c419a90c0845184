// SPDX-License-Identifier: GPL-3.0-or-later

//go:build race

package arq

// Under the race detector, sync.Pool forgets at random.
const poolForgets = true
