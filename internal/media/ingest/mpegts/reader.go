// SPDX-License-Identifier: GPL-3.0-or-later

package mpegts

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"sync"

	"p2plive/internal/media"
)

// pump reads from an input that may block for good, so that whoever wants the
// data can stop waiting for it.
type pump struct {
	ctx    context.Context
	data   chan []byte
	err    error // why data was closed
	rest   []byte
	closer io.Closer
	done   sync.WaitGroup
}

func newPump(ctx context.Context, r io.Reader) *pump {
	p := &pump{ctx: ctx, data: make(chan []byte, chunks)}
	p.closer, _ = r.(io.Closer)
	p.done.Go(func() { p.run(r) })
	return p
}

func (p *pump) run(r io.Reader) {
	defer close(p.data)
	for {
		b := make([]byte, chunk)
		n, err := r.Read(b)
		if n > 0 {
			select {
			case p.data <- b[:n]:
			case <-p.ctx.Done():
				return
			}
		}
		if err != nil {
			p.err = err
			return
		}
	}
}

// Read implements io.Reader. It ends with the context's error when that is done.
func (p *pump) Read(b []byte) (int, error) {
	if len(p.rest) == 0 {
		select {
		case data, ok := <-p.data:
			if !ok {
				if err := p.ctx.Err(); err != nil {
					return 0, err
				}
				return 0, p.err
			}
			p.rest = data
		case <-p.ctx.Done():
			return 0, p.ctx.Err()
		}
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

// close releases the input and waits for the reader, unless the input is a
// file: a read from a terminal or pipe cannot be interrupted, and ends with the
// process at the latest.
func (p *pump) close() {
	if p.closer != nil {
		p.closer.Close()
	}
	if _, isFile := p.closer.(*os.File); !isFile {
		p.done.Wait()
	}
}

// probe checks that the input starts with MPEG-TS packets, perhaps after a part
// of one, and returns a reader for all of it.
func probe(r io.Reader) (io.Reader, error) {
	head := make([]byte, probePackets*packetSize)
	n, err := io.ReadFull(r, head)
	head = head[:n]
	switch err {
	case io.EOF:
		return nil, fmt.Errorf("standard input: ended before any data: %w", media.ErrNotMedia)
	case nil, io.ErrUnexpectedEOF:
	default: // the read failed, or nobody waits for it any more
		return nil, err
	}
	for start := 0; start < min(packetSize, n); start++ {
		if isSynced(head[start:]) {
			return io.MultiReader(bytes.NewReader(head[start:]), r), nil
		}
	}
	return nil, fmt.Errorf("standard input: not MPEG-TS: %w: give it the output of ffmpeg -f mpegts", media.ErrNotMedia)
}

func isSynced(b []byte) bool {
	count := 0
	for ; len(b) > 0; b = b[min(packetSize, len(b)):] {
		if b[0] != 0x47 {
			return false
		}
		count++
	}
	return count >= probePackets-1
}
