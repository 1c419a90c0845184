// SPDX-License-Identifier: GPL-3.0-or-later

// Package segment cuts encoded samples into CMAF fragments: a frame of video
// or some frames of audio each, on one timeline that only goes forward.
package segment
