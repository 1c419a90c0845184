// SPDX-License-Identifier: GPL-3.0-or-later

// Package live is the model of a stream: its keys and signatures, its
// fragments and their pieces, and a bounded store of the newest of them.
package live
