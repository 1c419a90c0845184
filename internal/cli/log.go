// SPDX-License-Identifier: GPL-3.0-or-later

package cli

import (
	"io"
	"log/slog"
)

// newLogger makes the program's logger from the checked values of --log-level
// and --log-format.
func newLogger(w io.Writer, level, format string) *slog.Logger {
	var opts slog.HandlerOptions
	levels := map[string]slog.Level{
		"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
	}
	opts.Level = levels[level]
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, &opts))
	}
	return slog.New(slog.NewTextHandler(w, &opts))
}
