// SPDX-License-Identifier: GPL-3.0-or-later

package tracker

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// Strategy names a node strategy: how edges are chosen for a peer.
type Strategy string

// The node strategies.
const (
	// Random deals peers to the edges that carry their stream.
	Random Strategy = "random"
	// MinWorkload takes the least busy edge among those that carry the stream.
	MinWorkload Strategy = "min_workload"
	// EdgeNodes takes the least busy of all edges; one that does not carry
	// the stream yet is told to pull it from one that does.
	EdgeNodes Strategy = "edge_nodes"
)

// Strategies lists the names that Config accepts.
func Strategies() []Strategy { return []Strategy{Random, MinWorkload, EdgeNodes} }

// candidate is an edge as a strategy sees it.
type candidate struct {
	edge    *member
	carries bool
}

// strategy chooses edges.
type strategy interface {
	// order puts the candidates best first.
	order(rng *rand.Rand, c []candidate)
	// spreads says that edges which do not carry the stream are candidates too.
	spreads() bool
}

func newStrategy(name Strategy) (strategy, error) {
	switch name {
	case Random, "":
		return random{}, nil
	case MinWorkload:
		return minWorkload{}, nil
	case EdgeNodes:
		return edgeNodes{}, nil
	}
	var names []string
	for _, s := range Strategies() {
		names = append(names, string(s))
	}
	return nil, fmt.Errorf("unknown node strategy %q: there are %s", name, strings.Join(names, ", "))
}

type random struct{}

func (random) spreads() bool { return false }

func (random) order(rng *rand.Rand, c []candidate) {
	rng.Shuffle(len(c), func(i, j int) { c[i], c[j] = c[j], c[i] })
}

type minWorkload struct{}

func (minWorkload) spreads() bool { return false }

func (minWorkload) order(rng *rand.Rand, c []candidate) {
	random{}.order(rng, c) // equals in any order
	slices.SortStableFunc(c, func(a, b candidate) int { return byWorkload(a.edge, b.edge) })
}

type edgeNodes struct{}

func (edgeNodes) spreads() bool { return true }

func (edgeNodes) order(rng *rand.Rand, c []candidate) {
	random{}.order(rng, c)
	slices.SortStableFunc(c, func(a, b candidate) int {
		if n := byWorkload(a.edge, b.edge); n != 0 {
			return n
		}
		return cmp.Compare(btoi(b.carries), btoi(a.carries)) // of equals the one that has it
	})
}

// byWorkload compares sessions: those that the edge reported, and the peers
// sent there since, for else all who come between two reports would land on one
// edge. Equal sessions are told apart by their traffic.
func byWorkload(a, b *member) int {
	if n := cmp.Compare(a.sessions(), b.sessions()); n != 0 {
		return n
	}
	return cmp.Compare(a.load.OutKbps, b.load.OutKbps)
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
