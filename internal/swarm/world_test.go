// SPDX-License-Identifier: GPL-3.0-or-later

package swarm

import (
	"container/heap"
	"encoding/binary"
	"fmt"
	"hash"
	"hash/fnv"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"p2plive/internal/live"
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

type simPeer struct {
	w     *world
	m     *Machine
	info  wire.PeerInfo
	alive bool
	mute  bool // killed: others do not know yet
	links map[wire.PeerID]bool
	store map[wire.PieceID]int // sizes
	wake  uint64
	rate  int64 // uplink, bits a second; 0 is unlimited
	free  time.Duration
	born  time.Duration

	arrived    map[channelKey]time.Duration
	sent       map[wire.PeerID]map[wire.PieceID]bool // by push
	delivered  map[wire.TrackID][]wire.Seq
	missed     int
	first      time.Duration // first delivery of video
	firstKey   wire.Seq
	lags       []time.Duration
	dups       uint64
	got        uint64
	player     live.Playhead
	stallTimes []time.Duration
}

// channelKey names a channel of the session with a peer.
type channelKey struct {
	peer    wire.PeerID
	channel int
}

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

// watch looks for cycles four times a second. Two peers that move at the same
// time can close one; it must be open again within a second.
func (w *world) watch() {
	for track := range wire.TrackID(3) {
		for sub := range wire.Substream(w.video.substreams) {
			tree := wire.Tree{Track: track, Substream: sub}
			if !w.cycle(tree) {
				w.cycles[tree] = 0
				continue
			}
			if w.cycles[tree]++; w.cycles[tree] == 5 {
				w.t.Errorf("%v: a cycle in tree %v has lasted for a second", w.now, tree)
			}
		}
	}
	w.at(w.now+250*time.Millisecond, w.watch)
}

func (w *world) cycle(tree wire.Tree) bool {
	for _, p := range w.viewers() {
		at := p
		for range w.peers {
			tr := at.m.tree(tree)
			if tr == nil || tr.parent == nil {
				break
			}
			if at = w.byID[tr.parent.id()]; at == p {
				return true
			}
		}
	}
	return false
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

// start brings a peer up: it gets the catalog, and peers from the tracker.
func (p *simPeer) start() {
	w := p.w
	p.alive, p.mute, p.born = true, false, w.now
	p.handle(p.catalog())
	if p == w.source {
		w.at(w.now, func() { w.frame(1) })
		w.at(w.now, func() { w.frame(2) })
	}
	p.introduce(8)
}

func (p *simPeer) catalog() CatalogSet {
	v := p.w.video
	return CatalogSet{Epoch: p.w.epoch, Tracks: []TrackInfo{
		{ID: 1, Kind: wire.Video, Substreams: v.substreams, Timescale: 90000, Bitrate: v.bitrate},
		{ID: 2, Kind: wire.Audio, Substreams: v.substreamsAudio, Timescale: 48000, Bitrate: v.audioBR},
	}}
}

// introduce does the tracker's part: servers for all, viewers for viewers.
func (p *simPeer) introduce(n int) {
	var viewers, servers []wire.PeerInfo
	for _, o := range p.w.peers {
		switch {
		case o == p || !o.alive || o.mute:
		case o.info.Role == wire.RoleViewer:
			viewers = append(viewers, o.info)
		case o.info.Role == wire.RoleEdge, p.info.Role == wire.RoleEdge:
			servers = append(servers, o.info)
		}
	}
	p.w.rng.Shuffle(len(viewers), func(i, j int) { viewers[i], viewers[j] = viewers[j], viewers[i] })
	if mates := p.w.mates; mates != nil {
		slices.SortStableFunc(viewers, func(a, b wire.PeerInfo) int {
			switch ma, mb := mates(p, p.w.byID[a.ID]), mates(p, p.w.byID[b.ID]); {
			case ma == mb:
				return 0
			case ma:
				return -1
			}
			return 1
		})
	}
	if p.info.Role == wire.RoleViewer {
		servers = append(servers, viewers[:min(n, len(viewers))]...)
	}
	p.handle(Introduced{Peers: servers})
}

// kill ends a peer without a word.
func (p *simPeer) kill() {
	p.mute = true
	for _, id := range sortedIDs(p.links) {
		o := p.w.byID[id]
		p.w.at(p.w.now+p.w.idle, func() {
			if p.mute && o.links[p.info.ID] {
				delete(o.links, p.info.ID)
				o.handle(PeerDown{Peer: p.info.ID})
			}
		})
	}
}

// reborn starts a killed peer anew, with nothing but its identity.
func (p *simPeer) reborn() {
	cfg := p.m.cfg
	for _, id := range sortedIDs(p.links) {
		// A new handshake ends the old session.
		if o := p.w.byID[id]; o.links[p.info.ID] {
			delete(o.links, p.info.ID)
			o.handle(PeerDown{Peer: p.info.ID})
		}
	}
	p.m = New(cfg)
	p.wake++
	p.links, p.store = map[wire.PeerID]bool{}, map[wire.PieceID]int{}
	p.sent, p.delivered = map[wire.PeerID]map[wire.PieceID]bool{}, map[wire.TrackID][]wire.Seq{}
	p.start()
}

func sortedIDs(set map[wire.PeerID]bool) []wire.PeerID {
	var ids []wire.PeerID
	for id := range set {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b wire.PeerID) int { return slices.Compare(a[:], b[:]) })
	return ids
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

func (p *simPeer) handle(ev Event) {
	if !p.alive || p.mute {
		return
	}
	if down, ok := ev.(PeerDown); ok {
		delete(p.sent, down.Peer) // a new session may be with a peer that was restarted
	}
	cmds := p.m.Handle(p.w.now, ev)
	if p.w.trace != nil {
		p.w.trace(p, ev, cmds)
	}
	for _, c := range cmds {
		fmt.Fprintf(p.w.log, "%d %x %T", p.w.now, p.info.ID[:4], c)
		p.do(c)
	}
}

func (p *simPeer) peer(id wire.PeerID, c Command) *simPeer {
	if !p.links[id] {
		p.w.t.Errorf("%v: %T to an unknown peer", p.w.now, c)
		return nil
	}
	return p.w.byID[id]
}

func (p *simPeer) do(c Command) {
	w := p.w
	switch c := c.(type) {
	case Send:
		if o := p.peer(c.Peer, c); o != nil {
			b := wire.Append(nil, c.Msg)
			w.log.Write(b)
			w.control += uint64(len(b))
			msg, err := wire.Parse(b)
			if err != nil {
				w.t.Errorf("%T does not parse: %v", c.Msg, err)
				return
			}
			w.arrive(p, o, p.inOrder(o, 0, w.now+w.latency(p, o)), func() { o.handle(Received{Peer: p.info.ID, Msg: msg}) })
		}
	case SendPiece:
		if o := p.peer(c.Peer, c); o != nil {
			p.sendPiece(o, c)
		}
	case Dial:
		p.dial(c.Peer.ID)
	case Drop:
		if o := p.peer(c.Peer, c); o != nil {
			delete(p.links, c.Peer)
			w.at(w.now+w.latency(p, o), func() {
				if !p.links[o.info.ID] && o.links[p.info.ID] {
					delete(o.links, p.info.ID)
					o.handle(PeerDown{Peer: p.info.ID})
				}
			})
		}
	case Deliver:
		p.deliver(c)
	case Missed:
		p.missed++
		p.delivered[c.Track] = append(p.delivered[c.Track], c.Seq)
	case WantPeers:
		w.at(w.now+20*time.Millisecond, func() { p.introduce(c.N) })
	case Wake:
		p.wake++
		generation := p.wake
		w.order++
		heap.Push(&w.queue, simEvent{max(c.At, w.now), w.order, true, func() {
			if p.wake == generation {
				p.handle(Tick{})
			}
		}})
	}
}

// arrive does something at a peer if the session is still there.
func (w *world) arrive(from, to *simPeer, at time.Duration, do func()) {
	w.at(at, func() {
		if to.links[from.info.ID] {
			do()
		}
	})
}

func (p *simPeer) sendPiece(o *simPeer, c SendPiece) {
	w := p.w
	size, ok := p.store[c.ID]
	if !ok {
		w.t.Errorf("%v: a piece is sent that is not there", w.now)
		return
	}
	fmt.Fprint(w.log, c.ID, c.Via, c.Expires)
	if c.Via == wire.Push {
		if p.sent[c.Peer] == nil {
			p.sent[c.Peer] = map[wire.PieceID]bool{}
		}
		if p.sent[c.Peer][c.ID] {
			w.t.Errorf("%v: a piece is pushed twice to a peer", w.now)
		}
		p.sent[c.Peer][c.ID] = true
	}
	begin := max(w.now, p.free)
	if begin > c.Expires {
		w.expired++
		return
	}
	if p.rate > 0 {
		begin += time.Duration(int64(size+wire.PieceOverhead)*8) * time.Second / time.Duration(p.rate)
		p.free = begin
	}
	if w.loss > 0 && w.rng.Float64() < w.loss {
		return
	}
	from := p.m.track(c.ID.Track).frag(c.ID.Seq)
	h := wire.PieceHeader{
		Epoch: w.epoch, Track: c.ID.Track, Key: from.key, Seq: c.ID.Seq, Index: c.ID.Index, Count: from.count,
		Base: from.base, Duration: from.duration, Wall: w.walls[c.ID],
	}
	channel := int(c.ID.Track)*3 + int(c.Via)
	w.arrive(p, o, p.inOrder(o, channel, begin+w.latency(p, o)), func() { o.pieceIn(p, h, size, c.Via) })
}

// inOrder returns when something sent on a channel of a session arrives: not
// before what was sent there earlier, though the delays vary.
func (p *simPeer) inOrder(o *simPeer, channel int, at time.Duration) time.Duration {
	key := channelKey{o.info.ID, channel}
	p.arrived[key] = max(p.arrived[key], at)
	return p.arrived[key]
}

func (o *simPeer) pieceIn(p *simPeer, h wire.PieceHeader, size int, via wire.Via) {
	w := o.w
	if o.mute {
		return
	}
	_, had := o.store[h.ID()]
	o.store[h.ID()] = size
	if o.info.Role == wire.RoleViewer && w.now >= w.countFrom {
		w.media += uint64(size)
		w.pieces++
		o.got++
		if had {
			w.dups++
			o.dups++
		}
		if p.info.Role == wire.RoleViewer {
			w.fromViewers += uint64(size)
		} else {
			w.fromEdge += uint64(size)
		}
	}
	o.handle(PieceIn{Peer: p.info.ID, Header: h, Size: size, Via: via, New: !had})
}

func (p *simPeer) dial(id wire.PeerID) {
	w := p.w
	o := w.byID[id]
	if o == nil || o.mute || !o.alive {
		w.at(w.now+2*time.Second, func() { p.handle(DialFailed{Peer: id}) })
		return
	}
	rtt := 2 * w.latency(p, o)
	w.at(w.now+rtt, func() {
		if p.mute || o.mute || p.links[id] {
			return
		}
		p.links[id], o.links[p.info.ID] = true, true
		p.handle(PeerUp{Peer: id, Role: o.info.Role, RTT: rtt, Addrs: o.info.Addrs})
		o.handle(PeerUp{Peer: p.info.ID, Role: p.info.Role, RTT: rtt, Addrs: p.info.Addrs})
	})
}

func (p *simPeer) deliver(c Deliver) {
	w := p.w
	log := p.delivered[c.Track]
	if len(log) > 0 && log[len(log)-1]+1 != c.Seq {
		w.t.Errorf("%v: track %d fragment %d is delivered after %d", w.now, c.Track, c.Seq, log[len(log)-1])
	}
	p.delivered[c.Track] = append(log, c.Seq)
	if c.Track == 1 && len(log) == 0 {
		p.first, p.firstKey = w.now-p.born, c.Seq
		if int(c.Seq)%w.video.keyEvery != 0 {
			w.t.Errorf("%v: play starts at fragment %d, not a key frame", w.now, c.Seq)
		}
	}
	if c.Track == 1 {
		start := time.Duration(c.Seq) * w.video.interval
		before, _ := p.player.Stalls()
		p.player.Delivered(w.now-p.born, start, start+w.video.interval)
		if after, _ := p.player.Stalls(); after > before {
			p.stallTimes = append(p.stallTimes, w.now-p.born)
		}
	}
	if made := time.Duration(c.Seq) * w.video.interval; c.Track == 1 && w.now >= w.countFrom && w.now-p.born > 3*time.Second {
		p.lags = append(p.lags, w.now-made-w.source.born)
	}
}

// count starts the counting of bytes and lags anew.
func (w *world) count() {
	w.countFrom = w.now
	w.control, w.media, w.fromEdge, w.fromViewers, w.pieces, w.dups = 0, 0, 0, 0, 0, 0
	for _, p := range w.peers {
		p.lags = nil
	}
}

func (w *world) offload() float64 {
	return float64(w.fromViewers) / float64(max(w.fromViewers+w.fromEdge, 1))
}

func (w *world) duplicates() float64 { return float64(w.dups) / float64(max(w.pieces, 1)) }

// viewers returns the viewers that are alive.
func (w *world) viewers() []*simPeer {
	var list []*simPeer
	for _, p := range w.peers {
		if p.info.Role == wire.RoleViewer && p.alive && !p.mute {
			list = append(list, p)
		}
	}
	return list
}

func (w *world) missed() int {
	n := 0
	for _, p := range w.viewers() {
		n += p.missed
	}
	return n
}

// complete checks that all viewers have got everything up to a second ago.
func (w *world) complete() {
	w.t.Helper()
	for i, p := range w.viewers() {
		if w.t.Failed() && i > 5 {
			return
		}
		for track, made := range w.made {
			behind := wire.Seq(35)
			if track == 2 {
				behind = 14
			}
			log := p.delivered[track]
			if len(log) == 0 || log[len(log)-1]+behind < made {
				last := wire.Seq(0)
				if len(log) > 0 {
					last = log[len(log)-1]
				}
				w.t.Errorf("viewer %d: track %d is at %d of %d; %+v", i, track, last, made, p.m.Stats())
			}
		}
	}
}

// report logs the figures of a scenario.
func (w *world) report() {
	w.t.Helper()
	var lags, firsts []time.Duration
	temporary, depth, moves, loops := 0, 0, uint64(0), uint64(0)
	var rescued, repaired, timeouts uint64
	for _, p := range w.viewers() {
		lags = append(lags, p.lags...)
		firsts = append(firsts, p.first)
		s := p.m.Stats()
		temporary += s.Temporary
		depth = max(depth, s.Depth)
		moves += s.Moves
		loops += s.Loops
		rescued += s.Rescued
		repaired += s.Repaired
		timeouts += s.Timeouts
	}
	slices.Sort(lags)
	slices.Sort(firsts)
	q := func(d []time.Duration, p float64) time.Duration {
		if len(d) == 0 {
			return 0
		}
		return d[min(int(p*float64(len(d))), len(d)-1)].Round(time.Millisecond)
	}
	w.t.Logf("viewers %d: offload %.3f, duplicates %.4f, control %.4f, missed %d, lag p50 %v p95 %v p99 %v max %v, "+
		"first p50 %v max %v, depth %d, temporary %d, moves %d, loops %d, repaired %d, rescued %d, timeouts %d",
		len(firsts), w.offload(), w.duplicates(), float64(w.control)/float64(max(w.media, 1)), w.missed(),
		q(lags, .5), q(lags, .95), q(lags, .99), q(lags, 1), q(firsts, .5), q(firsts, 1),
		depth, temporary, moves, loops, repaired, rescued, timeouts)
}
