// SPDX-License-Identifier: GPL-3.0-or-later

package cmaf

import "time"

// Time returns when t units of a timescale have passed. Rounded down, and
// without overflow for any stream shorter than 292 years.
func Time(t uint64, timescale uint32) time.Duration {
	if timescale == 0 {
		return 0
	}
	whole, rest := t/uint64(timescale), t%uint64(timescale)
	return time.Duration(whole)*time.Second + time.Duration(rest*uint64(time.Second)/uint64(timescale))
}
