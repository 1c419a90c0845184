// SPDX-License-Identifier: GPL-3.0-or-later

package hls

import (
	"strconv"
	"strings"
)

// name is what a media file is called: init-0.mp4, 12.m4s (a segment) or
// 12.3.m4s (a part of it).
type name struct {
	init   bool
	number uint64 // of the segment, or of the init segment
	part   int    // -1 for the whole segment
}

func parseName(file string) (n name, ok bool) {
	if text := stem(file, ".mp4"); text != "" {
		number, found := strings.CutPrefix(text, "init-")
		n.init = true
		n.number, ok = parseNumber(number)
		return n, ok && found
	}
	number, index, isPart := strings.Cut(stem(file, ".m4s"), ".")
	n.part = -1
	if isPart {
		i, ok := parseNumber(index)
		if !ok || i > 1<<15 {
			return n, false
		}
		n.part = int(i)
	}
	n.number, ok = parseNumber(number)
	return n, ok
}

func parseNumber(s string) (uint64, bool) {
	n, err := strconv.ParseUint(s, 10, 32)
	return n, err == nil
}

// stem returns the file's name without the ending, "" if it has another one.
func stem(file, ending string) string {
	s, ok := strings.CutSuffix(file, ending)
	if !ok {
		return ""
	}
	return s
}
