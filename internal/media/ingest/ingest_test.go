// SPDX-License-Identifier: GPL-3.0-or-later

package ingest

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"p2plive/internal/media"
	"p2plive/internal/media/ingest/rtmp"
	"p2plive/internal/media/mediatest"
)

func TestOpen(t *testing.T) {
	file := mediatest.File(t, "a.mp4", "0.5", "-c:v", "libx264", "-preset", "ultrafast", "-an")
	for _, spec := range []string{"demo", file, "rtmp://127.0.0.1:0", "-"} {
		in, err := Open(spec, Options{Stdin: strings.NewReader("")})
		if err != nil {
			t.Errorf("%s: %v", spec, err)
			continue
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := in.Run(ctx, &mediatest.Samples{}); err != nil && !errors.Is(err, media.ErrNotMedia) {
			t.Errorf("%s: %v", spec, err)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	for spec, want := range map[string]error{
		"":                 ErrSpec,
		"srt://:9000":      ErrSpec,
		"rtmp://%":         rtmp.ErrAddress,
		"no-such-file.mp4": fs.ErrNotExist,
		"./ingest_test.go": media.ErrNotMedia,
	} {
		in, err := Open(spec, Options{})
		if !errors.Is(err, want) || in != nil {
			t.Errorf("%q: got %v, want %v", spec, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: more than one line: %v", spec, err)
		}
	}
}
