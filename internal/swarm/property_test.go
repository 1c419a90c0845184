// SPDX-License-Identifier: GPL-3.0-or-later

package swarm

import (
	"math/rand/v2"
	"testing"
	"time"
)

// TestRandomSwarm has a swarm of honest peers live through whatever chance
// brings: they come, die, return, are held up, and their uplinks change, while
// datagrams are late and pieces get lost. The world checks after each event that
// no piece is pushed to a peer twice and no command is for a peer without a
// session, and four times a second that no cycle lasts; here it is checked that
// what a machine remembers stays bounded. In the end all viewers play.
func TestRandomSwarm(t *testing.T) {
	t.Parallel()
	for seed, done := uint64(0), 0; done < *steps; seed++ {
		done += randomSwarm(t, seed)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// randomSwarm returns how many events the machines have handled.
func randomSwarm(t *testing.T, seed uint64) (events int) {
	rng := rand.New(rand.NewPCG(seed, 4))
	w, edge := stream(t, 200+seed, clip)
	w.trace = func(*simPeer, Event, []Command) { events++ }
	w.latency = func(a, b *simPeer) time.Duration {
		return time.Millisecond + time.Duration(w.rng.IntN(20_000))*time.Microsecond
	}
	w.loss = float64(rng.IntN(3)) / 100
	viewers := w.join(12+rng.IntN(12), time.Second, func(c *Config) {
		c.Leaf, c.Uplink = rng.IntN(6) == 0, int64(rng.IntN(5))*500_000
		c.Window = 5 * time.Second
	})
	w.run(5 * time.Second)
	for range 12 {
		v := viewers[rng.IntN(len(viewers))]
		switch rng.IntN(8) {
		case 0, 1:
			v.kill()
		case 2, 3:
			if v.mute {
				v.reborn()
			}
		case 4:
			v.handle(Capacity{Uplink: int64(rng.IntN(4)) * 700_000})
		case 5:
			w.holdUp(time.Duration(rng.IntN(1500)) * time.Millisecond)
		case 6:
			edge.kill()
			w.run(w.now + time.Duration(rng.IntN(1500))*time.Millisecond)
			edge.reborn()
		case 7:
			w.join(1, 0, nil)
		}
		w.run(w.now + time.Duration(rng.IntN(1500))*time.Millisecond)
		for _, p := range w.peers {
			checkState(t, p.m)
		}
	}
	w.run(w.now + 8*time.Second)
	for i, p := range w.viewers() {
		if len(p.delivered[1]) == 0 || p.delivered[1][len(p.delivered[1])-1]+60 < w.made[1] {
			t.Errorf("viewer %d plays no more: %+v", i, p.m.Stats())
		}
	}
	return events
}
