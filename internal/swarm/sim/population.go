// SPDX-License-Identifier: GPL-3.0-or-later

package sim

import (
	"cmp"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"

	"p2plive/internal/swarm"
	"p2plive/internal/swarm/admission"
	"p2plive/internal/wire"
)

// newWorld makes all peers of a run and plans when they come and go.
func newWorld(sc Scenario, opt Options) *world {
	sc = sc.withDefaults()
	w := &world{
		sc: sc, off: opt.Off, progress: opt.Progress, rng: rand.New(rand.NewPCG(sc.Seed, 0x73696d)),
		net:      network{latency: sc.Latency, loss: sc.Loss, seed: sc.Seed},
		interval: sc.interval(),
	}
	w.keyEvery = uint32(max(sc.Stream.KeyEvery/w.interval, 1))
	w.tracker.reported = map[uint32]bool{}
	w.catalog = []swarm.TrackInfo{{
		ID: track, Kind: wire.Video, Substreams: sc.Stream.Substreams, Timescale: timescale,
		Bitrate: uint32(sc.Stream.Kbit * 1000),
	}}
	w.tracker.control = admission.New[uint32](admission.Limits{Waiting: maxPeers, From: maxPeers})
	w.addServer(wire.RoleSource, 0)
	for range sc.Edges.Count {
		w.addServer(wire.RoleEdge, int64(sc.Edges.Copies*float64(sc.Stream.Kbit)*1000))
	}
	w.plan()
	w.faults = slices.Clone(sc.Faults)
	slices.SortStableFunc(w.faults, func(a, b Fault) int { return cmp.Compare(a.At, b.At) })
	w.begin(opt.Cores)
	if opt.share {
		w.g.alone = 0
	}
	return w
}

// begin makes the engine, and what happens first.
func (w *world) begin(cores int) {
	if cores <= 0 {
		cores = runtime.GOMAXPROCS(0)
	}
	w.g = newEngine(w.net.shortest(w.sc.LANSize > 0), len(w.peers), cores, w.event)
	w.g.ahead = w.readAhead
	for _, k := range w.g.workers {
		k.part.w = w
		k.m.first.step = firstStep
	}
	w.m.first.step = firstStep
	for _, p := range w.peers {
		if p.role == wire.RoleViewer {
			w.coming = append(w.coming, p.index)
		} else {
			w.g.workers[0].cause(p, event{kind: evEnter})
		}
	}
	slices.SortStableFunc(w.coming, func(a, b uint32) int { return cmp.Compare(w.peers[a].came, w.peers[b].came) })
	w.g.workers[0].cause(w.peers[0], event{kind: evCut})
}

func (w *world) addServer(role wire.Role, rate int64) {
	p := w.add(site{role: role, lan: -1}, 0, never)
	p.up.rate = rate
	if role == wire.RoleEdge {
		w.tracker.edges = append(w.tracker.edges, p.index)
	}
}

func (w *world) add(s site, came, leaves time.Duration) *peer {
	index := uint32(len(w.peers))
	p := &peer{index: index, role: s.role, came: came, leaves: leaves, rng: mix(w.sc.Seed ^ mix(uint64(index)))}
	w.peers = append(w.peers, p)
	w.sites = append(w.sites, s)
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
	rate := draw(w.rng, sc.Uplinks, func(u Uplink) float64 { return u.Share }).Kbit * 1000
	at := site{role: wire.RoleViewer, lan: -1}
	if len(sc.NAT) > 0 {
		at.nat = draw(w.rng, sc.NAT, func(n NATShare) float64 { return n.Share }).Type
	}
	bad := w.rng.Float64() < sc.Polluters
	leaf := w.rng.Float64() < sc.FreeRiders
	abrupt := sc.Churn != nil && w.rng.Float64() < sc.Churn.Abrupt
	if sc.LANSize > 0 {
		at.lan = int32(i / sc.LANSize)
	}
	u := w.rng.Float64()
	for r, s := range sc.Latency.Regions {
		if u -= s; u < 0 || r == len(sc.Latency.Regions)-1 {
			at.region = uint8(r)
			break
		}
	}
	p := w.add(at, came, leaves)
	p.up.rate, p.bad, p.leaf, p.abrupt = rate, bad, leaf, abrupt
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
func (k *worker) enter(p *peer) {
	w := k.w
	p.alive = true
	if p.leaves != never {
		k.cause(p, event{at: max(p.leaves, k.now+time.Second), kind: evLeave})
	}
	if w.off {
		k.directStart(p)
		return
	}
	p.rng++
	p.machine = swarm.New(swarm.Config{
		Self: id(p.index), Role: p.role, PlayDelay: w.sc.Buffer, Window: storeTime,
		Leaf: p.leaf, Uplink: p.up.rate, Seed: mix(p.rng),
	})
	k.handle(p, swarm.CatalogSet{Epoch: epoch, Tracks: w.catalog})
	if p.role != wire.RoleSource {
		k.want(p, want{what: wantNames, n: introduced})
	}
}

// leave ends a peer. One that goes abruptly says nothing: sessions and the
// tracker notice by themselves.
func (k *worker) leave(p *peer) {
	w := k.w
	if p.role == wire.RoleViewer {
		k.m.gone(w, p, k.now)
	}
	p.alive = false
	for _, l := range p.links.list {
		at := k.now + idleTimeout
		if !p.abrupt {
			at = k.now + w.delay(p.index, l.peer)
		}
		k.send(p, l.peer, &event{at: at, kind: evClosed, session: l.session})
	}
	p.links, p.dialling, p.machine = links{}, nil, nil
	w.g.wakes[p.index] = never
	k.want(p, want{what: wantForgotten})
}

// fault breaks something.
func (k *worker) fault(f Fault) {
	w := k.w
	switch f.What {
	case "tracker":
		w.tracker.dead = true
	case "edge":
		k.killEdge()
	case "viewers":
		for _, p := range w.peers {
			if p.role == wire.RoleViewer && p.alive && w.rng.Float64() < f.Share {
				p.abrupt = true
				k.leave(p)
			}
		}
	}
}

// killEdge ends the first edge that is left, without a word.
func (k *worker) killEdge() {
	t := &k.w.tracker
	if len(t.edges) == 0 {
		return
	}
	p := k.w.peers[t.edges[0]]
	t.edges = t.edges[1:]
	p.abrupt = true
	if k.w.off {
		k.directEdgeLost(p.index)
	}
	k.leave(p)
}
