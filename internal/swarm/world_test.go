// SPDX-License-Identifier: GPL-3.0-or-later

package swarm

import (
	"container/heap"
	"encoding/binary"
	"hash"
	"hash/fnv"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"p2plive/internal/wire"
)

// world runs many machines in virtual time over simple links: a delay, a rate
// per sender, pieces lost at random. It is deterministic by seed.
type world struct {
	t     testing.TB
	rng   *rand.Rand
	now   time.Duration
	queue eventQueue
	order uint64
	peers []*simPeer
	byID  map[wire.PeerID]*simPeer
	walls map[wire.PieceID]int64 // the source's clock

	latency func(a, b *simPeer) time.Duration
	mates   func(a, b *simPeer) bool // the tracker names those first
	trace   func(*simPeer, Event, []Command)
	loss    float64 // of pieces
	idle    time.Duration
	video   videoShape

	source *simPeer
	made   map[wire.TrackID]wire.Seq // next to be made
	stop   time.Duration             // the source makes nothing from here on
	epoch  wire.Epoch
	log    hash.Hash64

	control, media uint64 // bytes, of all
	countFrom      time.Duration
	fromEdge       uint64 // payload bytes to viewers since countFrom
	fromViewers    uint64
	pieces, dups   uint64 // pieces that came to viewers since countFrom
	expired        uint64
	cycles         map[wire.Tree]int // looks in a row that have found one
}

type videoShape struct {
	substreams       uint8
	frame, key       int // bytes of a frame, and of a key frame
	keyEvery         int
	interval         time.Duration
	audio            int
	audioInterval    time.Duration
	substreamsAudio  uint8
	bitrate, audioBR uint32
}

// clip is the built-in test clip; hd is a stream of 2.5 Mbit/s.
var (
	clip = videoShape{4, 1300, 12000, 30, 33 * time.Millisecond, 1400, 85 * time.Millisecond, 1, 400_000, 130_000}
	hd   = videoShape{4, 9000, 60000, 60, 33 * time.Millisecond, 1400, 85 * time.Millisecond, 1, 2_500_000, 130_000}
)

type simEvent struct {
	at    time.Duration
	order uint64
	tick  bool
	do    func()
}

type eventQueue []simEvent

func (q eventQueue) Len() int { return len(q) }
func (q eventQueue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].order < q[j].order
}
func (q eventQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *eventQueue) Push(x any)   { *q = append(*q, x.(simEvent)) }
func (q *eventQueue) Pop() any {
	old := *q
	e := old[len(old)-1]
	old[len(old)-1] = simEvent{}
	*q = old[:len(old)-1]
	return e
}

func newWorld(t testing.TB, seed uint64, shape videoShape) *world {
	w := &world{
		t: t, rng: rand.New(rand.NewPCG(seed, 1)), byID: map[wire.PeerID]*simPeer{}, walls: map[wire.PieceID]int64{},
		idle: 5 * time.Second, video: shape, made: map[wire.TrackID]wire.Seq{}, epoch: 1700000000000,
		log: fnv.New64a(), stop: time.Hour,
	}
	w.latency = func(a, b *simPeer) time.Duration { return time.Millisecond }
	w.cycles = map[wire.Tree]int{}
	w.at(0, w.watch)
	return w
}

func (w *world) at(at time.Duration, do func()) {
	w.order++
	heap.Push(&w.queue, simEvent{max(at, w.now), w.order, false, do})
}

func (w *world) run(until time.Duration) {
	for len(w.queue) > 0 && w.queue[0].at <= until {
		e := heap.Pop(&w.queue).(simEvent)
		w.now = max(w.now, e.at)
		e.do()
	}
	w.now = until
}

// holdUp holds everybody up for a while, as a machine does that has too much to
// do: what was due meanwhile happens at its end, timers first.
func (w *world) holdUp(d time.Duration) {
	w.run(w.now)
	w.now += d
	for i := range w.queue {
		if e := &w.queue[i]; e.tick && e.at < w.now {
			e.at = 0
		}
	}
	heap.Init(&w.queue)
}

// add makes a peer, not yet started.
func (w *world) add(role wire.Role, change func(*Config)) *simPeer {
	var id wire.PeerID
	binary.BigEndian.PutUint64(id[:], w.rng.Uint64())
	id[31] = byte(role)
	p := &simPeer{
		w: w, arrived: map[channelKey]time.Duration{}, links: map[wire.PeerID]bool{}, store: map[wire.PieceID]int{},
		sent: map[wire.PeerID]map[wire.PieceID]bool{}, delivered: map[wire.TrackID][]wire.Seq{},
		info: wire.PeerInfo{ID: id, Role: role, Addrs: []netip.AddrPort{
			netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, byte(len(w.peers) >> 8), byte(len(w.peers))}), 7100)}},
	}
	cfg := Config{Self: id, Role: role, Seed: w.rng.Uint64()}
	if change != nil {
		change(&cfg)
	}
	p.rate = cfg.Uplink
	p.m = New(cfg)
	w.peers = append(w.peers, p)
	w.byID[id] = p
	if role == wire.RoleSource {
		w.source = p
	}
	return p
}

// frame has the source make the next fragment of a track.
func (w *world) frame(track wire.TrackID) {
	if w.now >= w.stop || w.source.mute {
		return
	}
	v := w.video
	seq := w.made[track]
	w.made[track]++
	size, key, interval, scale := v.frame, false, v.interval, uint64(90000)
	switch {
	case track == 2:
		size, key, interval, scale = v.audio, true, v.audioInterval, 48000
	case int(seq)%v.keyEvery == 0:
		size, key = v.key, true
	}
	duration := uint64(interval.Microseconds()) * scale / 1e6
	count := (size + wire.MaxPiecePayload - 1) / wire.MaxPiecePayload
	for i := range count {
		h := wire.PieceHeader{
			Epoch: w.epoch, Track: track, Key: key, Seq: seq, Index: uint16(i), Count: uint16(count),
			Base: uint64(seq) * duration, Duration: uint32(duration), Wall: w.now.Milliseconds() + 1e12,
		}
		w.source.store[h.ID()] = size / count
		w.walls[h.ID()] = h.Wall
		w.source.handle(PieceMade{Header: h, Size: size / count})
	}
	w.at(w.now+interval, func() { w.frame(track) })
}
