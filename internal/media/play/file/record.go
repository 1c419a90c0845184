// SPDX-License-Identifier: GPL-3.0-or-later

package file

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"p2plive/internal/media/cmaf"
	"p2plive/internal/media/play"
)

// ErrName is returned for a name whose ending says no format.
var ErrName = errors.New("cannot tell the format: want a name that ends in .mp4 or .ts, or - for MPEG-TS to standard output")

// ErrChanged is returned when the stream has become one that the recording's
// format cannot go on with. What came before is complete.
var ErrChanged = errors.New("the stream changed its tracks or format; the recording ends there")

// Options of a recording.
type Options struct {
	Path     string        // ends in .mp4 or .ts, or is "-"
	Stdout   io.Writer     // where "-" goes
	Duration time.Duration // of the recording; 0: until the stream or the context ends
}

// Result says what was recorded.
type Result struct {
	Bytes    int64
	Duration time.Duration // of the longest track
	Missed   int           // fragments that did not come
}

// Check reports with ErrName a path that Record would refuse.
func Check(path string) error {
	if path == "-" {
		return nil
	}
	switch strings.ToLower(filepath.Ext(path)) {
	case ".mp4", ".ts":
		return nil
	}
	return fmt.Errorf("%s: %w", path, ErrName)
}

// Record writes the stream from its newest key frame on. The end of the
// stream and the end of ctx are both ordinary ends. Fragments are written
// whole: whenever it stops, the file plays up to there.
func Record(ctx context.Context, feed play.Feed, opts Options) (Result, error) {
	if err := Check(opts.Path); err != nil {
		return Result{}, err
	}
	out, err := create(opts)
	if err != nil {
		return Result{}, err
	}
	rec := recorder{out: out, duration: opts.Duration}
	if opts.Path == "-" || strings.EqualFold(filepath.Ext(opts.Path), ".ts") {
		rec.format = &transport{}
	} else {
		rec.format = &fragmented{}
	}
	err = rec.run(ctx, feed)
	if cerr := out.close(); err == nil {
		err = cerr
	}
	rec.result.Bytes = out.size
	rec.result.Duration = rec.total()
	return rec.result, err
}

// format writes the parts of a stream in one container.
type format interface {
	// catalog prepares for the tracks of cut.
	catalog(cut *play.Rebaser, change play.Change) ([]byte, error)
	part(p play.Part) ([]byte, error)
}

type recorder struct {
	out      *output
	format   format
	cut      play.Rebaser
	duration time.Duration
	ends     []time.Duration // per track, the end of what is written
	full     []bool          // per track, whether it has reached duration
	result   Result
}

func (r *recorder) total() time.Duration {
	var d time.Duration
	for _, e := range r.ends {
		d = max(d, e)
	}
	return d
}

func (r *recorder) run(ctx context.Context, feed play.Feed) error {
	sub, err := feed.Subscribe()
	if err != nil {
		return err
	}
	defer sub.Close()
	for {
		item, err := sub.Next(ctx)
		if err != nil {
			return nil // the stream or the context has ended
		}
		switch item.Kind {
		case play.KindCatalog:
			if item.Catalog.Ended {
				return nil
			}
			if err := r.catalog(item); err != nil {
				return err
			}
		case play.KindMissed:
			r.result.Missed++
		case play.KindFragment:
			for _, p := range r.cut.Add(item.Fragment) {
				if err := r.part(p); err != nil {
					return err
				}
			}
			if r.done() {
				return nil
			}
			// What is there is written at once: others may read along.
			if err := r.out.flush(); err != nil {
				return err
			}
		}
	}
}

func (r *recorder) catalog(item play.Item) error {
	change := r.cut.SetCatalog(item.Catalog)
	if change == play.NewShape {
		return ErrChanged
	}
	if r.ends == nil {
		r.ends = make([]time.Duration, len(r.cut.Tracks()))
		r.full = make([]bool, len(r.cut.Tracks()))
	}
	b, err := r.format.catalog(&r.cut, change)
	if err != nil {
		return err
	}
	return r.out.write(b)
}

func (r *recorder) part(p play.Part) error {
	if r.duration > 0 {
		r.trim(&p)
		if len(p.Chunk.Samples) == 0 {
			return nil
		}
	}
	b, err := r.format.part(p)
	if err != nil {
		return err
	}
	r.ends[p.Index] = max(r.ends[p.Index], p.End())
	return r.out.write(b)
}

// trim drops samples that start after the recording's end.
func (r *recorder) trim(p *play.Part) {
	if p.Start() >= r.duration+slack {
		for i := range r.full {
			r.full[i] = true
		}
	}
	at := p.Chunk.Base
	for i := range p.Chunk.Samples {
		if cmaf.Time(at, p.Track.Timescale) >= r.duration {
			p.Chunk.Samples = p.Chunk.Samples[:i]
			break
		}
		at += uint64(p.Chunk.Samples[i].Duration)
	}
	if cmaf.Time(at, p.Track.Timescale) >= r.duration {
		r.full[p.Index] = true
	}
}

func (r *recorder) done() bool {
	for _, full := range r.full {
		if !full {
			return false
		}
	}
	return len(r.full) > 0
}

// output is a file, or standard output, that remembers how far it is good.
type output struct {
	name string
	file *os.File // nil for standard output
	w    *bufio.Writer
	size int64
}

func create(opts Options) (*output, error) {
	if opts.Path == "-" {
		return &output{name: "standard output", w: bufio.NewWriterSize(opts.Stdout, 64<<10)}, nil
	}
	f, err := os.Create(opts.Path)
	if err != nil {
		return nil, err // names the path and the reason
	}
	return &output{name: opts.Path, file: f, w: bufio.NewWriterSize(f, 64<<10)}, nil
}

func (o *output) write(b []byte) error {
	n, err := o.w.Write(b)
	o.size += int64(n)
	return o.explain(err)
}

func (o *output) flush() error { return o.explain(o.w.Flush()) }

func (o *output) explain(err error) error {
	if err == nil {
		return nil
	}
	var path *os.PathError
	if errors.As(err, &path) {
		err = path.Err // says "no space left on device" without the path twice
	}
	return fmt.Errorf("write %s: %w", o.name, err)
}

// close completes the file.
func (o *output) close() error {
	err := o.flush()
	if o.file == nil {
		return err
	}
	if cerr := o.file.Close(); err == nil {
		err = o.explain(cerr)
	}
	return err
}
