// SPDX-License-Identifier: GPL-3.0-or-later

package swarm

import (
	"container/heap"
	"fmt"
	"slices"
	"time"

	"p2plive/internal/live"
	"p2plive/internal/wire"
)

// simPeer is a machine with what a program has around it: sessions, a store, a
// line and a player.
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
