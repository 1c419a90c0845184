// SPDX-License-Identifier: GPL-3.0-or-later

// Package e2e tests the built program as its users run it: real processes on
// 127.0.0.1, ffmpeg in front and ffprobe behind, crashes, and strangers that
// send rubbish. What it asserts is what the program promises.
package e2e
