// SPDX-License-Identifier: GPL-3.0-or-later

package natsim

import (
	"cmp"
	"slices"
	"time"

	"p2plive/libnet/nat"
)

// Row is what came of an ordered pair of kinds.
type Row struct {
	Asker  string     `json:"asker"`
	Other  string     `json:"other"`
	Runs   int        `json:"runs"`
	OK     int        `json:"ok"`
	P50MS  float64    `json:"p50_ms"` // until the session is up, or, where none came up, until that was known
	P95MS  float64    `json:"p95_ms"`
	MaxMS  float64    `json:"max_ms"`
	Path   string     `json:"path"` // the most frequent one; "edge": none
	Method nat.Method `json:"method"`
	Probes int        `json:"probes"`           // the most of a run, to addresses that had not answered
	Reason string     `json:"reason,omitempty"` // of the last run without a path
}

// edge is the path of those who have none to each other.
const edge = "edge"

// Matrix runs all ordered pairs of Kinds with the seeds 1 to n. After each pair it calls progress, whose error ends
// it.
func Matrix(n int, progress func(done, all int) error) ([]Row, error) {
	kinds := Kinds()
	var rows []Row
	for _, a := range kinds {
		for _, b := range kinds {
			row, err := Pair(a, b, n)
			if err != nil {
				return nil, err
			}
			rows = append(rows, row)
			if err := progress(len(rows), len(kinds)*len(kinds)); err != nil {
				return nil, err
			}
		}
	}
	return rows, nil
}

// Pair runs one ordered pair with the seeds 1 to n.
func Pair(asker, other Kind, n int) (Row, error) {
	row := Row{Asker: asker.Name, Other: other.Name, Runs: n, Path: edge, Method: nat.Choose(asker.Class, other.Class).Method}
	var up, given []time.Duration
	words := make(map[nat.Word]int)
	for seed := range n {
		o, err := Run(Config{Asker: asker, Other: other, Seed: uint64(seed + 1)})
		if err != nil {
			return row, err
		}
		row.Probes = max(row.Probes, o.Probes)
		if !o.OK {
			given, row.Reason = append(given, o.Time), o.Reason
			continue
		}
		up = append(up, o.Time)
		words[o.Path.Word]++
	}
	row.OK = len(up)
	if len(up) == 0 {
		up = given
	} else {
		row.Path = string(mostFrequent(words))
	}
	slices.Sort(up)
	row.P50MS, row.P95MS, row.MaxMS = percentile(up, 50), percentile(up, 95), percentile(up, 100)
	return row, nil
}

func mostFrequent(words map[nat.Word]int) (best nat.Word) {
	for w, n := range words {
		if best == "" || cmp.Or(cmp.Compare(words[best], n), cmp.Compare(w, best)) < 0 {
			best = w
		}
	}
	return best
}

// percentile of sorted times, in milliseconds: the least that p percent of them do not exceed.
func percentile(sorted []time.Duration, p int) float64 {
	if len(sorted) == 0 {
		return 0
	}
	i := max((len(sorted)*p+99)/100-1, 0)
	return float64(sorted[i].Microseconds()) / 1000
}
