// SPDX-License-Identifier: GPL-3.0-or-later

package sim

import (
	"math"
	"math/rand/v2"
	"time"

	"p2plive/internal/swarm"
	"p2plive/internal/swarm/admission"
	"p2plive/internal/wire"
)

// newWorld makes all peers of a run and plans when they come and go.
func newWorld(sc Scenario, off bool) *world {
	sc = sc.withDefaults()
	w := &world{
		sc: sc, off: off, rng: rand.New(rand.NewPCG(sc.Seed, 0x73696d)), q: newQueue(),
		net:      network{latency: sc.Latency, loss: sc.Loss, seed: sc.Seed},
		interval: sc.interval(),
	}
	w.keyEvery = uint32(max(sc.Stream.KeyEvery/w.interval, 1))
	w.m.first.step = 10 * time.Millisecond // minutes, where a crowd waits
	w.tracker.reported = map[uint32]bool{}
	w.tracker.control = admission.New[uint32](admission.Limits{Waiting: maxPeers, From: maxPeers})
	w.addServer(wire.RoleSource, 0)
	for range sc.Edges.Count {
		w.addServer(wire.RoleEdge, int64(sc.Edges.Copies*float64(sc.Stream.Kbit)*1000))
	}
	for _, p := range w.peers {
		w.enter(p)
	}
	w.plan()
	w.q.add(event{kind: evCut})
	w.q.add(event{at: time.Second, kind: evSecond})
	if !off {
		w.q.add(event{kind: evJoins})
	}
	for i, f := range sc.Faults {
		w.q.add(event{at: f.At, kind: evFault, arg: uint32(i)})
	}
	return w
}

func (w *world) addServer(role wire.Role, rate int64) {
	p := w.add(role, 0, never)
	p.up.rate = rate
	if role == wire.RoleEdge {
		w.tracker.edges = append(w.tracker.edges, p.index)
	}
}

func (w *world) add(role wire.Role, came, leaves time.Duration) *peer {
	p := &peer{index: uint32(len(w.peers)), role: role, lan: -1, place: -1, came: came, leaves: leaves}
	w.peers = append(w.peers, p)
	return p
}

// plan draws all viewers of the run.
func (w *world) plan() {
	sc := &w.sc
	n := sc.Peers
	for i := range n {
		w.addViewer(i, sc.Ramp*time.Duration(i)/time.Duration(n), w.stay(true))
	}
	if f := sc.Flash; f != nil {
		more := n * (f.Factor - 1)
		for i := range more {
			w.addViewer(n+i, f.At+f.Within*time.Duration(i)/time.Duration(more), never)
		}
		w.firstsFrom = f.At
	}
	if c := sc.Churn; c != nil {
		w.firstsFrom = sc.Warmup
		// As many come as go.
		every := time.Duration(float64(time.Minute) / (c.PerMinute * float64(n)))
		for at := sc.Ramp; at < sc.Duration; {
			at += time.Duration(w.rng.ExpFloat64() * float64(every))
			w.addViewer(len(w.peers), at, w.stay(false))
		}
	}
}

// stay draws how long a viewer stays. What is left to a viewer that is there
// already is drawn among those that are found in the middle of their stay, and
// so more likely in a long one.
func (w *world) stay(there bool) time.Duration {
	c := w.sc.Churn
	if c == nil {
		return never
	}
	mean := 1 / c.PerMinute // minutes
	mu := math.Log(mean) - c.Sigma*c.Sigma/2
	left := 1.0
	if there {
		mu += c.Sigma * c.Sigma
		left = w.rng.Float64()
	}
	minutes := left * math.Exp(mu+c.Sigma*w.rng.NormFloat64())
	return time.Duration(min(minutes, 1e6) * float64(time.Minute))
}

func (w *world) addViewer(i int, came, stay time.Duration) {
	sc := &w.sc
	leaves := never
	if stay < never-came {
		leaves = came + stay
	}
	p := w.add(wire.RoleViewer, came, leaves)
	p.up.rate = draw(w.rng, sc.Uplinks, func(u Uplink) float64 { return u.Share }).Kbit * 1000
	if len(sc.NAT) > 0 {
		p.nat = draw(w.rng, sc.NAT, func(n NATShare) float64 { return n.Share }).Type
	}
	p.bad = w.rng.Float64() < sc.Polluters
	p.leaf = w.rng.Float64() < sc.FreeRiders
	if sc.Churn != nil {
		p.abrupt = w.rng.Float64() < sc.Churn.Abrupt
	}
	if sc.LANSize > 0 {
		p.lan = int32(i / sc.LANSize)
	}
	u := w.rng.Float64()
	for r, s := range sc.Latency.Regions {
		if u -= s; u < 0 || r == len(sc.Latency.Regions)-1 {
			p.region = uint8(r)
			break
		}
	}
	w.q.add(event{at: came, kind: evStart, to: p.index})
}

// draw chooses one of a list by the shares of its members.
func draw[T any](rng *rand.Rand, list []T, share func(T) float64) T {
	u := rng.Float64()
	for _, v := range list {
		if u -= share(v); u < 0 {
			return v
		}
	}
	return list[len(list)-1]
}

// enter starts a peer.
func (w *world) enter(p *peer) {
	p.alive = true
	if p.role == wire.RoleViewer {
		w.tracker.add(p)
		if p.leaves != never {
			w.q.add(event{at: max(p.leaves, w.q.now+time.Second), kind: evLeave, to: p.index})
		}
	}
	if w.off {
		w.directStart(p)
		return
	}
	if p.role == wire.RoleViewer {
		w.tracker.settling = append(w.tracker.settling, p.index)
	}
	p.machine = swarm.New(swarm.Config{
		Self: w.id(p.index), Role: p.role, PlayDelay: w.sc.Buffer, Window: storeTime,
		Leaf: p.leaf, Uplink: p.up.rate, Seed: w.rng.Uint64(),
	})
	w.handle(p, swarm.CatalogSet{Epoch: epoch, Tracks: []swarm.TrackInfo{{
		ID: track, Kind: wire.Video, Substreams: w.sc.Stream.Substreams, Timescale: timescale,
		Bitrate: uint32(w.sc.Stream.Kbit * 1000),
	}}})
	if p.role != wire.RoleSource {
		w.q.add(event{at: w.q.now + trackerTime, kind: evTracker, to: p.index, arg: introduced})
	}
}

// leave ends a peer. One that goes abruptly says nothing: sessions and the
// tracker notice by themselves.
func (w *world) leave(p *peer) {
	if p.role == wire.RoleViewer {
		w.m.gone(w, p)
	}
	p.alive = false
	for i := range p.links {
		l := &p.links[i]
		at := w.q.now + idleTimeout
		if !p.abrupt {
			at = w.q.now + w.net.between(p, w.peers[l.peer])
		}
		w.q.add(event{at: at, kind: evClosed, from: p.index, to: l.peer, session: l.session})
	}
	p.links, p.machine = nil, nil
	at := w.q.now
	if p.abrupt {
		at += idleTimeout
	}
	w.q.add(event{at: at, kind: evClosed, from: p.index, to: p.index})
}

// fault breaks something.
func (w *world) fault(f Fault) {
	switch f.What {
	case "tracker":
		w.tracker.dead = true
	case "edge":
		w.killEdge()
	case "viewers":
		for _, p := range w.peers {
			if p.role == wire.RoleViewer && p.alive && w.rng.Float64() < f.Share {
				p.abrupt = true
				w.leave(p)
			}
		}
	}
}

// killEdge ends the first edge that is left, without a word.
func (w *world) killEdge() {
	if len(w.tracker.edges) == 0 {
		return
	}
	p := w.peers[w.tracker.edges[0]]
	w.tracker.edges = w.tracker.edges[1:]
	p.abrupt = true
	if w.off {
		w.directEdgeLost(p)
	}
	w.leave(p)
}
