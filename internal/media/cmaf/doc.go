// SPDX-License-Identifier: GPL-3.0-or-later

// Package cmaf reads and writes the parts of the CMAF format (ISO/IEC
// 23000-19) that players need: the samples of a chunk, its times, and init
// segments of several tracks in one.
package cmaf
