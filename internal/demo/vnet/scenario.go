// SPDX-License-Identifier: GPL-3.0-or-later

package vnet

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Scenario describes the lines of a network.
type Scenario struct {
	Name    string
	Viewers int // unless another number is asked for
	// Rate of the stream in bits a second.
	Rate int64
	// Uplinks are the classes of the viewers' lines.
	Uplinks []Uplink
	// The round trip between two hosts is between these.
	MinRTT, MaxRTT time.Duration
	Loss           float64 // share of the datagrams lost on a path, 0 to 1
	// Warmup is what is not measured: viewers come one by one, and find out
	// what their lines carry.
	Warmup time.Duration
}

// Uplink is a class of lines.
type Uplink struct {
	Kbit  int64
	Share float64 // of the viewers
}

// scenarios by name. Home's and static's lines are those of the event
// simulator's scenarios of the same names.
var scenarios = map[string]Scenario{
	// All uplinks together carry 1.2 copies of the stream.
	"home": {
		Viewers: 300, Rate: 3_012_000, MinRTT: 20 * time.Millisecond, MaxRTT: 60 * time.Millisecond, Loss: 0.01,
		Warmup:  120 * time.Second,
		Uplinks: []Uplink{{128, 0.15}, {384, 0.25}, {1000, 0.25}, {5000, 0.25}, {20000, 0.10}},
	},
	// One room: what the loopback interface would show of a machine that is
	// never short of CPU time.
	"lan": {
		Viewers: 50, Rate: 2_500_000, MinRTT: 200 * time.Microsecond, MaxRTT: time.Millisecond,
		Uplinks: []Uplink{{1_000_000, 1}},
	},
	// Everybody has 1.5 copies to give, and nothing is lost.
	"static": {
		Viewers: 300, Rate: 2_500_000, MinRTT: 50 * time.Millisecond, MaxRTT: 50 * time.Millisecond,
		Warmup: 35 * time.Second, Uplinks: []Uplink{{3750, 1}},
	},
}

// Names returns the names of the scenarios, in alphabetical order.
func Names() []string { return slices.Sorted(maps.Keys(scenarios)) }

// Load returns a scenario by its name.
func Load(name string) (Scenario, error) {
	sc, ok := scenarios[name]
	if !ok {
		return sc, fmt.Errorf("there is no scenario %q; there are: %s", name, strings.Join(Names(), ", "))
	}
	sc.Name = name
	return sc, nil
}

// deal returns the uplinks of n viewers in bits a second: each class as often
// as its share says, in random order.
func (sc *Scenario) deal(n int, rng *rand.Rand) []int64 {
	uplinks := make([]int64, 0, n)
	var share float64
	for _, class := range sc.Uplinks {
		share += class.Share
		for len(uplinks) < int(share*float64(n)+0.5) {
			uplinks = append(uplinks, class.Kbit*1000)
		}
	}
	rng.Shuffle(n, func(i, j int) { uplinks[i], uplinks[j] = uplinks[j], uplinks[i] })
	return uplinks
}
