// SPDX-License-Identifier: GPL-3.0-or-later

// Package play hands a live stream to those who play it: one Hub takes the
// stream's fragments in, any number of subscriptions read them out, and none
// can hold up another. What a player is given then is the business of the
// packages below: mse (the page), mpegts, hls, file and external.
package play
