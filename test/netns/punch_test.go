// SPDX-License-Identifier: GPL-3.0-or-later

package netns

import (
	"strings"
	"testing"
	"time"
)

// dropUnasked is what most routers have beside masquerade: what comes to the router itself is dropped. Without it
// Linux remembers what comes unasked, and gives the home another port towards its sender.
const dropUnasked = masquerade + `
table ip filter {
	chain input {
		type filter hook input priority filter
		iifname wan ct state new,invalid drop
	}
}`

// searchTime is what the search for a port of a symmetric NAT may take, with the time to learn that there is one.
const searchTime = 15 * time.Second

// viewer tells how another viewer is reached, empty: none is.
func (s status) viewer() (path, addr string) {
	for _, p := range s.Peers {
		if p.Role == "viewer" {
			return p.Path, p.Addr
		}
	}
	return "", ""
}

// reaches waits until a viewer is reached by a path, at an address that begins with addr.
func (w *watcher) reaches(path, addr string) {
	w.t.Helper()
	w.await(answerTime, "a viewer is reached: "+path+" at "+addr, func(s status) bool {
		p, a := s.viewer()
		return p == path && strings.HasPrefix(a, addr)
	})
}

// faultless checks that nothing was missed so far.
func (w *watcher) faultless() {
	w.t.Helper()
	if s := w.await(answerTime, "a status", func(status) bool { return true }); s.FragmentsMissed > 0 {
		w.t.Errorf("%d fragments were missed", s.FragmentsMissed)
	}
}

func TestPunch(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, a, b, path string }{
		{"masquerade", masquerade, masquerade, "punched"},
		{"masquerade that drops what comes unasked", dropUnasked, dropUnasked, "punched"},
		{"masquerade and an exposed host", masquerade, exposed, "direct"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := newStreet(t, tt.a, tt.b)
			l.tracker(2)
			l.stream()
			a, b := l.watch("home1"), l.watch("home2")
			a.reaches(tt.path, "203.0.114.10:")
			b.reaches(tt.path, "203.0.113.10:")
			playOn(t, a, b)
		})
	}
}

// TestFullyRandom: behind a masquerade that draws ports at random the port has to be searched for. With the odds of the
// search it is found 98 times in 100; where it is not, the edge goes on.
func TestFullyRandom(t *testing.T) {
	t.Parallel()
	l := newStreet(t, fullyRandom, dropUnasked)
	l.tracker(1)
	l.stream()
	a, b := l.watch("home1"), l.watch("home2")
	begun := time.Now()
	var path string
	for path == "" && time.Since(begun) < 2*searchTime {
		s := a.await(answerTime, "a status", func(status) bool { return true })
		path, _ = s.viewer()
	}
	t.Logf("after %v the path is %q", time.Since(begun).Round(time.Second), path)
	if path != "" && path != "predicted" {
		t.Errorf("the path is %q", path)
	}
	playOn(t, a, b)
}

// TestBothRandom: two symmetric NATs whose ports cannot be predicted are not tried, and both homes play from the edge.
func TestBothRandom(t *testing.T) {
	t.Parallel()
	l := newStreet(t, fullyRandom, fullyRandom)
	l.tracker(1)
	l.stream()
	playFromEdge(t, l.watch("home1"), l.watch("home2"))
}

// TestSameLAN: two viewers in one home reach each other inside of it, whatever NAT the home has.
func TestSameLAN(t *testing.T) {
	t.Parallel()
	for name, rules := range map[string]string{"masquerade": masquerade, "fully random": fullyRandom} {
		t.Run(name, func(t *testing.T) {
			l := newStreet(t, rules)
			l.space("room")
			l.plug(0, "room", "3")
			l.tracker(2)
			l.stream()
			a, b := l.watch("home1"), l.watch("room")
			a.reaches("lan", private+"3:")
			b.reaches("lan", private+"2:")
		})
	}
}

// TestIPv6: where the NATs of IPv4 keep two homes apart, they reach each other by IPv6, through the firewalls of both.
func TestIPv6(t *testing.T) {
	t.Parallel()
	const answersOnly = `
table ip6 filter {
	chain forward {
		type filter hook forward priority filter; policy drop
		ct state established,related accept
		iifname lan accept
	}
}`
	l := newStreet(t, fullyRandom+answersOnly, fullyRandom+answersOnly)
	l.ipv6(0)
	l.ipv6(1)
	l.tracker(2)
	l.stream()
	a, b := l.watch("home1"), l.watch("home2")
	a.reaches("punched", "[2001:db8:2:1::2]:")
	b.reaches("punched", "[2001:db8:1:1::2]:")
	playOn(t, a, b)
}

// TestOneCarrier: two homes behind one NAT of their provider, which does not send back what goes to its own address,
// play from the edge and say so.
func TestOneCarrier(t *testing.T) {
	t.Parallel()
	l := newCarrier(t, dropUnasked, dropUnasked)
	l.tracker(1)
	l.stream()
	playFromEdge(t, l.watch("home1"), l.watch("home2"))
}

// TestForgetfulRouters: routers forget all connections, and both homes play on and stay connected.
func TestForgetfulRouters(t *testing.T) {
	t.Parallel()
	l, a, b := neighbours(t, dropUnasked)
	for range 2 {
		l.forget("router1")
		playOn(t, a, b)
		l.forget("router1")
		l.forget("router2")
		playOn(t, a, b)
	}
	a.reaches("punched", "203.0.114.10:")
	b.reaches("punched", "203.0.113.10:")
}

// TestForgetfulMasquerade is that with a router that takes what comes unasked for its own: the home gets other ports
// then. Both play on; the homes may have lost each other.
func TestForgetfulMasquerade(t *testing.T) {
	t.Parallel()
	l, a, b := neighbours(t, masquerade)
	l.forget("router1")
	playOn(t, a, b)
	l.forget("router2")
	playOn(t, a, b)
}

// TestRenumbering: a home gets another public address, and both play on and stay connected.
func TestRenumbering(t *testing.T) {
	t.Parallel()
	l, a, b := neighbours(t, dropUnasked)
	l.in("router1", "ip", "addr", "del", "203.0.113.10/24", "dev", "wan")
	l.in("router1", "ip", "addr", "add", "203.0.113.11/24", "dev", "wan")
	l.in("router1", "ip", "route", "add", "default", "via", "203.0.113.1")
	playOn(t, a, b)
	a.reaches("punched", "203.0.114.10:")
	b.reaches("punched", "203.0.113.11:")
}

// neighbours are two homes that have reached each other through such routers.
func neighbours(t *testing.T, rules string) (l *lab, a, b *watcher) {
	t.Helper()
	l = newStreet(t, rules, rules)
	l.live()
	a, b = l.watch("home1"), l.watch("home2")
	a.reaches("punched", "203.0.114.10:")
	b.reaches("punched", "203.0.113.10:")
	playOn(t, a, b)
	return l, a, b
}

// playFromEdge checks that homes which cannot reach each other play from the edge, and say why.
func playFromEdge(t *testing.T, watchers ...*watcher) {
	t.Helper()
	for _, w := range watchers {
		w.plays(300)
		s := w.await(answerTime, "a status", func(status) bool { return true })
		if !s.reached("edge") || s.Peers[0].Reason == "" {
			t.Errorf("status %+v", s)
		}
		w.faultless()
	}
}

// playOn checks that some seconds more are played, and that nothing was missed.
func playOn(t *testing.T, watchers ...*watcher) {
	t.Helper()
	for _, w := range watchers {
		w.plays(150)
	}
	for _, w := range watchers {
		w.faultless()
	}
}
