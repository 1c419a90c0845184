// SPDX-License-Identifier: GPL-3.0-or-later

package rtmp

import (
	"errors"
	"fmt"
	"io"
	"net"
	"path"
	"sync/atomic"
	"time"

	"github.com/bluenviron/gortmplib"
	"github.com/bluenviron/gortmplib/pkg/amf0"
	"github.com/bluenviron/gortmplib/pkg/message"
)

var (
	errFlood   = errors.New("sends more than it may")
	errNoTurn  = errors.New("wants to play, not to publish")
	errRubbish = errors.New("sends what is not RTMP")
)

// conn is a connection whose reads are bounded in time and bytes.
type conn struct {
	net.Conn
	done chan struct{} // closed when its goroutine is about to end

	rtmp      *gortmplib.ServerConn
	published bool
	pending   int          // bytes read that are in no complete message yet
	lastRead  atomic.Int64 // Unix nanoseconds
}

func newConn(nc net.Conn) *conn {
	c := &conn{Conn: nc, done: make(chan struct{})}
	c.lastRead.Store(time.Now().UnixNano())
	return c
}

// idle returns for how long nothing has been received.
func (c *conn) idle() time.Duration {
	return time.Duration(time.Now().UnixNano() - c.lastRead.Load())
}

// Read implements io.Reader for the RTMP library.
func (c *conn) Read(b []byte) (int, error) {
	limit := handshakeBytes
	if c.published {
		limit = maxPartial
		if err := c.SetReadDeadline(time.Now().Add(idleTimeout)); err != nil {
			return 0, err
		}
	}
	if c.pending > limit {
		return 0, errFlood
	}
	n, err := c.Conn.Read(b)
	c.pending += n
	c.lastRead.Store(time.Now().UnixNano())
	return n, err
}

// Write implements io.Writer for the RTMP library.
func (c *conn) Write(b []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

// handshake goes as far as the publish command and returns its stream key.
func (c *conn) handshake() (key string, err error) {
	defer rescue(&err)
	if err := c.SetReadDeadline(time.Now().Add(handshakeTimeout)); err != nil {
		return "", err
	}
	c.rtmp = &gortmplib.ServerConn{RW: struct {
		io.Reader
		io.Writer
	}{c, c}}
	if err := c.rtmp.Initialize(); err != nil {
		return "", err
	}
	if err := c.rtmp.Accept(); err != nil {
		return "", err
	}
	if !c.rtmp.Publish {
		return "", errNoTurn
	}
	c.published, c.pending = true, 0
	return path.Base(c.rtmp.URL.Path), nil
}

// rescue turns a panic of the RTMP library over hostile input into an error.
func rescue(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%w: %v", errRubbish, p)
	}
}

// refuse tells the encoder why it cannot publish, as far as that goes.
func (c *conn) refuse(why string) {
	_ = c.rtmp.Write(&message.CommandAMF0{
		ChunkStreamID:   5,
		MessageStreamID: 0x1000000,
		Name:            "onStatus",
		Arguments: []any{nil, amf0.Object{
			{Key: "level", Value: "error"},
			{Key: "code", Value: "NetStream.Publish.BadName"},
			{Key: "description", Value: why},
		}},
	})
}

// read reads one message.
func (c *conn) read() (msg message.Message, err error) {
	defer rescue(&err)
	msg, err = c.rtmp.Read()
	// A message of n bytes took at most n/16 more for its chunks' headers.
	n := payload(msg)
	c.pending = max(0, c.pending-n-n/16-64)
	return msg, err
}

// publish hands the messages of an encoder to p until it stops (nil) or fails.
func (c *conn) publish(p *publisher) error {
	for {
		msg, err := c.read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if cmd, ok := msg.(*message.CommandAMF0); ok {
			if cmd.Name == "deleteStream" || cmd.Name == "closeStream" || cmd.Name == "FCUnpublish" {
				return nil
			}
			continue
		}
		if err := p.message(msg); err != nil {
			return err
		}
	}
}

// payload returns the size of what a message carries.
func payload(msg message.Message) int {
	switch m := msg.(type) {
	case *message.Video:
		return len(m.AU)
	case *message.VideoExCodedFrames:
		return len(m.Payload)
	case *message.VideoExFramesX:
		return len(m.Payload)
	case *message.VideoExMultitrack:
		return payload(m.Wrapped)
	case *message.Audio:
		return len(m.AU)
	case *message.AudioExCodedFrames:
		return len(m.Payload)
	case *message.AudioExMultitrack:
		return payload(m.Wrapped)
	}
	return 0
}
