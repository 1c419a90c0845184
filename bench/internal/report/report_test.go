// SPDX-License-Identifier: GPL-3.0-or-later

package report

import (
	"strings"
	"testing"
)

func TestCompare(t *testing.T) {
	var r Report
	for _, v := range []float64{3, 1, 2} {
		r.Add("cost", Ours, "s", v)
	}
	r.Add("cost", "peer", "s", 4)
	r.Add("sessions", Ours, "", 700)
	r.Compare([]Goal{
		{Figure: "cost", Peer: "peer", Must: new(0.6), Moonshot: new(0.3)},
		{Figure: "cost", Peer: "nobody", Must: new(0.6)},
		{Figure: "cost", Must: new(1.0)},
		{Figure: "sessions", Must: new(300.0), Moonshot: new(700.0), More: true},
		{Figure: "unknown", Must: new(1.0)},
	})
	var met []string
	for _, row := range r.Rows {
		met = append(met, row.Met)
	}
	if got, want := strings.Join(met, " "), "must no moonshot"; got != want {
		t.Errorf("met %q, want %q", got, want)
	}
	if got := r.Rows[0].Reached; got != 0.5 {
		t.Errorf("ratio %v, want 0.5", got)
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 1: "1", 0.5: "0.5", 0.01234: "0.0123", 1.2345: "1.23", 12.345: "12.3", 12345: "12345", 20: "20", 0.999: "0.999",
	} {
		if got := number(v); got != want {
			t.Errorf("number(%v) is %q, want %q", v, got, want)
		}
	}
}

// TestDisturbed: what others took of the machine says itself, and meets no goal.
func TestDisturbed(t *testing.T) {
	r := Report{Machine: Machine{Others: 1}}
	r.Add("cost", Ours, "s", 1)
	r.Compare([]Goal{{Figure: "cost", Must: new(2.0)}})
	if got := r.Rows[0].Met; got != "?" {
		t.Errorf("met %q, want none", got)
	}
	if s := r.Machine.String(); !strings.Contains(s, "other programs") {
		t.Errorf("machine is described as %q", s)
	}
}
