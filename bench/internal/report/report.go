// SPDX-License-Identifier: GPL-3.0-or-later

// Package report holds what was measured, compares it with the goals, and prints it.
package report

import (
	"math"
	"slices"
)

// Ours is the transport that has goals.
const Ours = "rudp"

// Measure is one figure of one transport, over all rounds.
type Measure struct {
	Figure    string    `json:"figure"`
	Transport string    `json:"transport"`
	Unit      string    `json:"unit"`
	Rounds    []float64 `json:"rounds"`
}

// Median is the middle of the rounds.
func (m Measure) Median() float64 {
	if len(m.Rounds) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(m.Rounds))
	mid := len(s) / 2
	if len(s)%2 == 1 {
		return s[mid]
	}
	return (s[mid-1] + s[mid]) / 2
}

// Goal is what a figure is to reach, alone or as a ratio to that of a peer.
type Goal struct {
	Figure   string
	Peer     string   // empty: the figure itself
	Must     *float64 // nil: none
	Moonshot *float64
	More     bool // more is better
}

// Row is a goal and what was reached.
type Row struct {
	Figure   string   `json:"figure"`
	Unit     string   `json:"unit"`
	Ours     float64  `json:"ours"`
	Peer     string   `json:"peer,omitempty"`
	Theirs   *float64 `json:"theirs,omitempty"`
	Reached  float64  `json:"reached"` // the ratio, or Ours
	Must     *float64 `json:"must,omitempty"`
	Moonshot *float64 `json:"moonshot,omitempty"`
	Met      string   `json:"met"`
}

// Report is all of a run.
type Report struct {
	Command  string    `json:"command"`
	Machine  Machine   `json:"machine"`
	Seconds  float64   `json:"seconds"`
	Rows     []Row     `json:"goals"`
	Measures []Measure `json:"measures"`
	Notes    []string  `json:"notes,omitempty"`
}

// Add notes the value of one round.
func (r *Report) Add(figure, transport, unit string, value float64) {
	for i := range r.Measures {
		if m := &r.Measures[i]; m.Figure == figure && m.Transport == transport {
			m.Rounds = append(m.Rounds, value)
			return
		}
	}
	r.Measures = append(r.Measures, Measure{figure, transport, unit, []float64{value}})
}

// Compare fills Rows with the goals whose figures were measured. On a machine that was disturbed none is met.
func (r *Report) Compare(goals []Goal) {
	for _, g := range goals {
		ours, ok := r.measure(g.Figure, Ours)
		if !ok {
			continue
		}
		row := Row{Figure: g.Figure, Unit: ours.Unit, Ours: ours.Median(), Must: g.Must, Moonshot: g.Moonshot}
		row.Reached = row.Ours
		if g.Peer != "" {
			peer, ok := r.measure(g.Figure, g.Peer)
			if !ok || peer.Median() == 0 {
				continue
			}
			row.Peer, row.Theirs = g.Peer, new(peer.Median())
			row.Reached = row.Ours / *row.Theirs
		}
		row.Met = g.met(row.Reached)
		if r.Machine.Disturbed() {
			row.Met = "?"
		}
		r.Rows = append(r.Rows, row)
	}
}

func (g Goal) met(reached float64) string {
	meets := func(goal *float64) bool {
		return goal != nil && (reached == *goal || (reached > *goal) == g.More)
	}
	switch {
	case meets(g.Moonshot):
		return "moonshot"
	case meets(g.Must):
		return "must"
	case g.Must == nil:
		return "-"
	}
	return "no"
}

func (r *Report) measure(figure, transport string) (Measure, bool) {
	i := slices.IndexFunc(r.Measures, func(m Measure) bool {
		return m.Figure == figure && m.Transport == transport
	})
	if i < 0 {
		return Measure{}, false
	}
	return r.Measures[i], true
}
