// SPDX-License-Identifier: GPL-3.0-or-later

// Package arq is the ARQ of one KCP conversation as a pure machine: messages go in, segments come out, and the
// other way round. It has no clock, goroutine, lock or socket; the time is an argument.
//
// The wire format is KCP's: a peer that runs another implementation of KCP in message mode understands it, unless
// [Config.Extended] adds what those do not know: acknowledgements with bitmaps, markers of dropped messages, parity
// segments. What is its own is when it sends: acknowledgements once per batch, losses found by time (RACK, RFC 8985), and no
// congestion control: how much may be in flight is for the caller, who pulls segments out with [Core.Next].
package arq
