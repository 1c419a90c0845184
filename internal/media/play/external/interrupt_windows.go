// SPDX-License-Identifier: GPL-3.0-or-later

package external

import "os"

// interrupt ends the player: Windows has no signal to ask it with.
func interrupt(p *os.Process) error { return p.Kill() }
