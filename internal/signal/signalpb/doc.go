// SPDX-License-Identifier: GPL-3.0-or-later

// Package signalpb holds the messages of signal.proto as Go types, generated.
// Package signal is how to use them.
package signalpb
