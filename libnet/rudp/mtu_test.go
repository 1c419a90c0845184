// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"slices"
	"testing"
	"time"
)

// searcher drives a pathMTU through time: 1 MB/s are sent, and every tenth of a second somebody asks.
type searcher struct {
	pathMTU
	now     time.Time
	sent    uint64
	carries int
	probes  []int
}

func newSearcher(most, carries int) *searcher {
	return &searcher{pathMTU: newPathMTU(most, 0), now: time.Unix(1000, 0), carries: carries}
}

func (s *searcher) run(d time.Duration) {
	for end := s.now.Add(d); s.now.Before(end); s.now = s.now.Add(100 * time.Millisecond) {
		if s.due(s.sent, s.now) {
			size, token := s.probe(s.sent, s.now)
			if size > 0 {
				s.probes = append(s.probes, size)
			}
			if size > 0 && size <= s.carries {
				s.answered(token, s.sent, s.now)
			}
		}
		s.sent += 100_000
	}
}

func TestPathMTUSearch(t *testing.T) {
	for _, tt := range []struct {
		name          string
		most, carries int
		size          int
		probes        []int
	}{
		{"Ethernet", 1452, 1472, 1452, []int{1452}},
		{"exactly", 1452, 1452, 1452, []int{1452}},
		{"a tunnel of IPv6", 1452, 1451, 1432, []int{1452, 1452, 1452, 1432}},
		{"a VPN", 1452, 1372, 1372, []int{1452, 1452, 1452, 1432, 1432, 1432, 1372}},
		{"the least", 1452, 1371, 1232, []int{1452, 1452, 1452, 1432, 1432, 1432, 1372, 1372, 1372}},
		{"a bound between", 1400, 1390, 1372, []int{1400, 1400, 1400, 1372}},
		{"a bound below all", 1300, 1472, 1300, []int{1300}},
		{"off", 1232, 1472, 1232, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSearcher(tt.most, tt.carries)
			s.run(mtuRaise)
			if s.size != tt.size || !slices.Equal(s.probes, tt.probes) {
				t.Errorf("%d bytes after probes of %v, want %d after %v", s.size, s.probes, tt.size, tt.probes)
			}
			// The path carries more by now.
			s.carries = 1472
			s.run(time.Minute)
			if s.size != tt.most {
				t.Errorf("%d bytes after %v", s.size, mtuRaise)
			}
		})
	}
}

// A session that sends little is not worth a probe, however old it gets.
func TestPathMTUNeedsTraffic(t *testing.T) {
	m := newPathMTU(MaxDatagram, 500)
	now := time.Unix(1000, 0)
	if m.due(500+mtuWorth-1, now.Add(24*time.Hour)) || !m.due(500+mtuWorth, now) {
		t.Error("the first probe does not wait for traffic")
	}
	for range 3 * mtuTries {
		m.probe(200_000, now)
	}
	if size, _ := m.probe(200_000, now); size != 0 || m.due(200_000+mtuWorth-1, now.Add(2*mtuRaise)) || !m.due(200_000+mtuWorth, now.Add(mtuRaise)) {
		t.Error("nor does the next search")
	}
}

// What the system refuses to send needs no second try.
func TestPathMTURefused(t *testing.T) {
	m := newPathMTU(MaxDatagram, 0)
	now := time.Unix(1000, 0)
	var probes []int
	for m.due(mtuWorth, now) {
		size, _ := m.probe(mtuWorth, now)
		if size == 0 {
			break
		}
		probes = append(probes, size)
		m.refused()
	}
	if !slices.Equal(probes, mtuSizes[:]) || m.size != BaseDatagram {
		t.Errorf("probes of %v", probes)
	}
}

// Only the token of the present size counts, once, however late.
func TestPathMTUAnswers(t *testing.T) {
	m := newPathMTU(MaxDatagram, 0)
	now := time.Unix(1000, 0)
	if m.answered(0, 0, now) {
		t.Error("an answer without a question")
	}
	_, first := m.probe(mtuWorth, now)
	for range mtuTries - 1 {
		if _, again := m.probe(mtuWorth, now); again != first {
			t.Error("a late answer would not count")
		}
	}
	size, second := m.probe(mtuWorth, now)
	if size != mtuSizes[1] || second == first {
		t.Fatalf("then %d bytes", size)
	}
	for _, token := range []uint64{first, first + 1, second + 1, second ^ 1<<63, 0} {
		if m.answered(token, mtuWorth, now) || m.size != BaseDatagram {
			t.Errorf("token %d of %d and %d counts", token, first, second)
		}
	}
	if !m.answered(second, mtuWorth, now) || m.size != mtuSizes[1] || m.answered(second, mtuWorth, now) {
		t.Errorf("%d bytes after the answer", m.size)
	}
}

func TestPathMTUBlackHole(t *testing.T) {
	const rtt = 50 * time.Millisecond
	s := newSearcher(MaxDatagram, 1472)
	if s.heard(false, true, rtt, s.now) {
		t.Error("a black hole for nothing")
	}
	s.run(time.Second)
	lose := func(rounds int) (black bool) {
		for range rounds {
			for range 5 { // within a round trip they are one
				black = s.heard(false, true, rtt, s.now)
			}
			s.now = s.now.Add(rtt)
		}
		return black
	}
	for range 10 { // an arrival between, and there is none
		if lose(mtuRounds-1) || s.heard(true, false, rtt, s.now) || s.heard(true, true, rtt, s.now) {
			t.Fatal("what arrives is held to be lost")
		}
	}
	for _, pause := range []time.Duration{mtuPause, mtuRaise, mtuRaise} {
		if !lose(mtuRounds) {
			t.Fatal("not seen")
		}
		s.fallBack(s.sent, s.now)
		if s.size != BaseDatagram || lose(2*mtuRounds) {
			t.Errorf("%d bytes", s.size)
		}
		s.probes = nil
		s.run(pause - time.Second)
		if len(s.probes) > 0 {
			t.Errorf("probes of %v within %v", s.probes, pause)
		}
		s.run(2 * time.Second)
		if s.size != MaxDatagram {
			t.Errorf("%d bytes after %v", s.size, pause)
		}
	}
}
