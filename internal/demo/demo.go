// SPDX-License-Identifier: GPL-3.0-or-later

// Package demo runs every role in one process: a tracker, an edge, a source
// with the built-in clip, and viewers, each with its own UDP socket on the
// loopback interface or on hosts of a simulated network. It is the program's
// own proof, not a shortcut: nothing passes between the roles but packets.
package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"p2plive/internal/edge"
	"p2plive/internal/live"
	"p2plive/internal/peer"
	"p2plive/internal/sockets"
	"p2plive/internal/source"
	"p2plive/internal/tracker"
	"p2plive/internal/viewer"
)

const (
	loopback   = "127.0.0.1:0"
	streamName = "demo"
	// stagger lies between the starts of two viewers: they come one by one,
	// as people do.
	stagger = 50 * time.Millisecond
)

// key is what edge and source show the tracker.
var key = []byte("demo")

// Config of a demo.
type Config struct {
	Viewers int    // at least 1
	HTTP    string // address of the first viewer's page
	Input   string // default "demo": the built-in clip
	// ClipRate is what the built-in clip is filled up to, in bits a second;
	// 0: its own rate.
	ClipRate int64
	// Hosts that the roles run on. Default: this machine.
	Hosts Hosts
	// Store bounds what each viewer keeps; zero: the defaults.
	Store  live.StoreConfig
	Logger *slog.Logger
}

// Hosts gives each role a machine of its own.
type Hosts interface {
	Tracker() sockets.Network
	Edge() sockets.Network
	// EdgeUplink is what the edge is told that its line carries, in bits a second; 0: nothing.
	EdgeUplink() int64
	Source() sockets.Network
	Viewer(i int) sockets.Network // from 0
	// Uplink is what the line of that viewer carries, in bits a second; 0: that is not known.
	Uplink(i int) int64
}

// here is this machine.
type here struct{}

func (here) Tracker() sockets.Network   { return nil }
func (here) Edge() sockets.Network      { return nil }
func (here) EdgeUplink() int64          { return 0 }
func (here) Source() sockets.Network    { return nil }
func (here) Viewer(int) sockets.Network { return nil }
func (here) Uplink(int) int64           { return 0 }

// Demo is a whole network in one process.
type Demo struct {
	cfg     Config
	tracker *tracker.Tracker
	edge    *edge.Edge
	source  *source.Source
	viewers []*viewer.Viewer

	mu    sync.Mutex
	since totals // when Result begins to count
}

// New binds all sockets.
func New(cfg Config) (_ *Demo, err error) {
	if cfg.Input == "" {
		cfg.Input = "demo"
	}
	udp := loopback
	if cfg.Hosts == nil {
		cfg.Hosts = here{}
	} else {
		udp = tracker.NoUDP // a STUN server would need sockets of this machine
	}
	d := &Demo{cfg: cfg, since: totals{at: time.Now(), usage: currentUsage()}}
	var closers []func()
	defer func() {
		if err != nil {
			for _, c := range closers {
				c()
			}
		}
	}()
	if d.tracker, err = tracker.New(tracker.Config{
		Listen: loopback, UDP: udp, EdgeKey: key, PublishKey: key, Network: cfg.Hosts.Tracker(), Logger: cfg.Logger,
	}); err != nil {
		return nil, fmt.Errorf("tracker: %w", err)
	}
	closers = append(closers, func() { d.tracker.Close() })
	url := "http://" + d.tracker.HTTPAddr().String()
	if d.edge, err = edge.New(edge.Config{
		Tracker: url, UDP: loopback, HTTP: loopback, EdgeKey: key, Network: cfg.Hosts.Edge(),
		UploadLimit: cfg.Hosts.EdgeUplink(), Logger: cfg.Logger,
	}); err != nil {
		return nil, fmt.Errorf("edge: %w", err)
	}
	closers = append(closers, d.edge.Close)
	if d.source, err = source.New(source.Config{
		Tracker: url, Name: streamName, Title: "Demo", Input: cfg.Input, ClipRate: cfg.ClipRate,
		PublishKey: key, UDP: loopback, Network: cfg.Hosts.Source(), Logger: cfg.Logger,
	}); err != nil {
		return nil, fmt.Errorf("source: %w", err)
	}
	closers = append(closers, d.source.Close)
	for i := range cfg.Viewers {
		c := viewer.Config{Link: d.source.Link(), UDP: loopback, Store: cfg.Store, Network: cfg.Hosts.Viewer(i), Logger: cfg.Logger}
		if i == 0 {
			c.HTTP = cfg.HTTP
		}
		v, err := viewer.New(c)
		if err != nil {
			return nil, fmt.Errorf("viewer %d: %w", i+1, err)
		}
		closers = append(closers, v.Close)
		d.viewers = append(d.viewers, v)
	}
	return d, nil
}

// PageURL returns the address of the first viewer's page.
func (d *Demo) PageURL() string { return d.viewers[0].PageURL() }

// WatchURL returns the stream's page on the tracker.
func (d *Demo) WatchURL() string { return d.source.Link() }

// Serve runs everything until ctx ends. The viewers leave last, so that what
// they have counted is whole.
func (d *Demo) Serve(ctx context.Context) error {
	d.mu.Lock()
	d.since.at, d.since.usage = time.Now(), currentUsage()
	d.mu.Unlock()
	// The tracker ends last: nobody is to miss it on the way out.
	tracking, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	tracked := make(chan error, 1)
	go func() { tracked <- d.tracker.Serve(tracking) }()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		select {
		case err := <-tracked:
			tracked <- err
			return errors.Join(errors.New("the tracker has ended"), err)
		case <-ctx.Done():
			return nil
		}
	})
	group.Go(func() error { return d.edge.Serve(ctx) })
	group.Go(func() error { return d.source.Serve(ctx) })
	for i, v := range d.viewers {
		group.Go(func() error {
			select {
			case <-time.After(time.Duration(i) * stagger):
			case <-ctx.Done():
			}
			return v.Serve(ctx)
		})
	}
	err := group.Wait()
	stop()
	err = errors.Join(err, <-tracked)
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// Viewers returns the state of every viewer.
func (d *Demo) Viewers() []peer.Status {
	all := make([]peer.Status, 0, len(d.viewers))
	for _, v := range d.viewers {
		all = append(all, v.Status())
	}
	return all
}
