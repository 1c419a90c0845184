// SPDX-License-Identifier: GPL-3.0-or-later

package natsim

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"p2plive/libnet/nat"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// want is what has to come of a pair: the share of direct paths, and until when 95% of them are up.
func want(a, b nat.Class) (share float64, p95 time.Duration) {
	switch nat.Choose(a, b).Method {
	case nat.MethodNone:
		return 0, 100 * time.Millisecond // the time until that is known
	case nat.MethodPredict:
		if a.Type == nat.TypeNAT4 && b.Type == nat.TypeNAT4 {
			return 0, predictEnd // worth a try, not promised
		}
		return 0.9, 3 * time.Second
	case nat.MethodBirthday:
		return 0.95, 10 * time.Second
	}
	return 1, time.Second
}

// predictEnd is when prediction gives up, after the round trips through the tracker.
const predictEnd = 4 * time.Second

func TestMatrix(t *testing.T) {
	kinds := append(Kinds(), Masquerade())
	for _, a := range kinds {
		for _, b := range kinds {
			t.Run(a.Name+" to "+b.Name, func(t *testing.T) {
				t.Parallel()
				row, err := Pair(a, b, 20)
				if err != nil {
					t.Fatal(err)
				}
				share, p95 := want(a.Class, b.Class)
				if float64(row.OK) < share*float64(row.Runs) || row.P95MS > float64(p95.Milliseconds()) {
					t.Errorf("%+v", row)
				}
				if share == 0 && row.OK < row.Runs && row.Reason == "" {
					t.Error("no reason is given")
				}
				if row.Probes > 1400 {
					t.Errorf("%d probes", row.Probes)
				}
			})
		}
	}
}

// TestBirthday: 256 sockets and 1,024 probes meet with a probability of 98%.
func TestBirthday(t *testing.T) {
	kinds := Kinds()
	row, err := Pair(kinds[4], kinds[5], 100)
	if err != nil {
		t.Fatal(err)
	}
	if row.OK < 95 {
		t.Errorf("%+v", row)
	}
}

// TestNoTTL: without low times to live, masquerade still works with everything that needs no search.
func TestNoTTL(t *testing.T) {
	for _, cfg := range []Config{
		{Asker: Masquerade(), Other: Masquerade(), NoTTL: true},
		{Asker: Kinds()[4], Other: Kinds()[4], NoTTL: true},
		{Asker: Kinds()[4], Other: Kinds()[6], NoTTL: true},
	} {
		for cfg.Seed = range uint64(20) {
			if o, err := Run(cfg); err != nil || !o.OK {
				t.Errorf("%s to %s, seed %d: %+v, %v", cfg.Asker.Name, cfg.Other.Name, cfg.Seed, o, err)
			}
		}
	}
}

// TestSpoiled: where a router remembers what has come unasked before, another socket helps.
func TestSpoiled(t *testing.T) {
	for seed := range uint64(20) {
		o, err := Run(Config{Asker: Masquerade(), Other: Masquerade(), Seed: seed, Spoiled: true})
		if err != nil || !o.OK || o.Path.Socket != 1 || o.Time > 2*time.Second {
			t.Errorf("seed %d: %+v, %v", seed, o, err)
		}
	}
}

// TestElsewhere: an address that is not that of the long connection is proved by a cookie first, which takes one more
// round trip.
func TestElsewhere(t *testing.T) {
	nat3 := Kinds()[4]
	here, err := Run(Config{Asker: nat3, Other: nat3, Seed: 7})
	if err != nil || !here.OK {
		t.Fatalf("%+v, %v", here, err)
	}
	o, err := Run(Config{Asker: nat3, Other: nat3, Seed: 7, Elsewhere: true})
	if err != nil || !o.OK {
		t.Fatalf("%+v, %v", o, err)
	}
	if more := o.Time - here.Time; more != 4*oneWay {
		t.Errorf("%v longer than %v; a cookie for each is %v", more, here.Time, 4*oneWay)
	}
}

// TestBounded: no address that does not answer gets more than a few probes from each socket.
func TestBounded(t *testing.T) {
	for _, a := range Kinds() {
		for _, b := range Kinds() {
			o, err := Run(Config{Asker: a, Other: b, Seed: 3})
			if err != nil {
				t.Fatal(err)
			}
			if limit := 2 * 12; nat.Choose(a.Class, b.Class).Method != nat.MethodBirthday && o.Most > limit {
				t.Errorf("%s to %s: %d datagrams to one address", a.Name, b.Name, o.Most)
			}
			if o.Most > 300 {
				t.Errorf("%s to %s: %d datagrams to one address", a.Name, b.Name, o.Most)
			}
		}
	}
}
