// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"slices"
	"time"
)

// probing is a Probe that waits for its answer.
type probing struct {
	to       Path
	token    uint64 // of the first challenge; each further one counts it up
	asked    [probeMemory]time.Time
	count    uint64             // challenges sent
	answered chan time.Duration // the round trip; room for one
}

// proof is an address that has answered a Probe.
type proof struct {
	path Path
	rtt  time.Duration
	at   time.Time
}

// Probe asks the peer for an answer by another path, and gives the round trip: of a path that a NAT was just opened for,
// of a shorter one, or of the peer's new address when it was learnt in another way. The session stays where it is until
// Move is called. Challenge and answer have BaseDatagram bytes, so that a path with a smaller MTU does not answer.
//
// The challenge is repeated until the answer comes or the context ends; after Config.HandshakeTimeout Probe ends with
// ErrProbeTimeout. Where both sides are behind NATs that filter by address and port, both must probe at the same time.
func (c *Conn) Probe(ctx context.Context, path Path) (time.Duration, error) {
	if !path.Addr.IsValid() || path.Addr.Port() == 0 {
		return 0, fmt.Errorf("rudp: probe of %v: invalid address", path.Addr)
	}
	p := &probing{to: path.plain(), answered: make(chan time.Duration, 1)}
	if err := c.beginProbe(p); err != nil {
		return 0, err
	}
	defer c.endProbe(p)
	limited, cancel := context.WithTimeoutCause(ctx, c.ep.cfg.HandshakeTimeout, ErrProbeTimeout)
	defer cancel()
	again := time.NewTimer(0)
	defer again.Stop()
	for wait := probeRetry; ; {
		select {
		case <-again.C:
			c.ask(p, time.Now())
			again.Reset(wait)
			wait = min(2*wait, probeRetryMax)
		case rtt := <-p.answered:
			return rtt, nil
		case <-c.done:
			return 0, c.Err()
		case <-limited.Done():
			return 0, context.Cause(limited)
		}
	}
}

// Move sends everything by a path that has answered a Probe in the last ten seconds; others are probed first, with
// Probe's errors. The peer follows by itself. Nothing is lost: what was on its way by the old path still counts when it
// arrives. When both sides move to different paths at the same time, that of the dialler stays.
func (c *Conn) Move(ctx context.Context, path Path) error {
	path = path.plain()
	if moved, err := c.moveTo(path); moved || err != nil {
		return err
	}
	if _, err := c.Probe(ctx, path); err != nil {
		return err
	}
	_, err := c.moveTo(path)
	return err
}

// moveTo moves the session if the path has answered of late.
func (c *Conn) moveTo(path Path) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return false, c.err
	}
	now := time.Now()
	i := slices.IndexFunc(c.proofs, func(p proof) bool { return p.path == path })
	if i < 0 || now.Sub(c.proofs[i].at) > proofTime {
		return false, nil
	}
	// Until the peer has followed, what it sends comes from where it was: that must not move us back.
	settle := acceptorSettles
	if c.dialed {
		settle = diallerSettles
	}
	c.settled = now.Add(settle)
	if path != c.path {
		c.take(path, c.proofs[i].rtt, now)
		c.ping(now)  // shows the peer where we are
		c.flush(now) // with what the old path has swallowed
	}
	return true, nil
}

func (c *Conn) beginProbe(p *probing) error {
	var token [8]byte
	rand.Read(token[:])
	p.token = binary.BigEndian.Uint64(token[:])
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	if p.to.Socket.dead() {
		return ErrSocketClosed
	}
	if len(c.probes) >= maxProbes {
		return ErrTooManyProbes
	}
	c.probes = append(c.probes, p)
	return nil
}

func (c *Conn) endProbe(p *probing) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.probes = slices.DeleteFunc(c.probes, func(other *probing) bool { return other == p })
}

// ask sends a challenge.
func (c *Conn) ask(p *probing, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != stateOpen {
		return
	}
	p.asked[p.count%probeMemory] = now
	c.sendApart(p.to, frameChallenge, p.token+p.count, baseFrames)
	p.count++
}

// answer takes the response to a challenge if it is one to a Probe. The caller holds c.mu.
func (c *Conn) answer(token uint64, from Path, now time.Time) bool {
	for _, p := range c.probes {
		n := token - p.token
		if n >= p.count || from != p.to {
			continue
		}
		rtt := now.Sub(p.asked[n%probeMemory]) // too short for an answer older than the memory, which is of seconds
		c.remember(proof{from, rtt, now})
		select {
		case p.answered <- rtt:
		default: // a further answer
		}
		return true
	}
	return false
}

// remember keeps the newest proofs.
func (c *Conn) remember(p proof) {
	c.proofs = slices.DeleteFunc(c.proofs, func(old proof) bool { return old.path == p.path })
	if len(c.proofs) >= maxProbes {
		c.proofs = slices.Delete(c.proofs, 0, 1)
	}
	c.proofs = append(c.proofs, p)
}
