// SPDX-License-Identifier: GPL-3.0-or-later

package sim

import (
	"net/netip"
	"slices"
	"time"

	"p2plive/internal/swarm/admission"
)

// The tracker lets viewers in, as the real one does.

// knock has a viewer ask to be let in.
func (k *worker) knock(viewer uint32) {
	t := &k.w.tracker
	switch {
	case t.dead:
		t.outside++
	case k.w.off:
		k.letIn(viewer)
	default:
		if verdict, _ := t.control.Arrive(k.now, viewer, netip.Prefix{}); verdict == admission.Admitted {
			k.letIn(viewer)
		}
	}
}

// letIn has the tracker name a viewer to others.
func (k *worker) letIn(viewer uint32) {
	t := &k.w.tracker
	t.add(k.w, viewer)
	t.settling = append(t.settling, viewer)
	k.cause(k.w.peers[viewer], event{at: k.now, kind: evEnter})
}

// admit lets in those whose turn it is.
func (k *worker) admit() {
	t := &k.w.tracker
	if t.dead {
		return
	}
	if t.looks%edgeReports == 0 {
		k.hearEdges(t.looks / edgeReports)
	}
	if t.looks%settleReports == 0 {
		k.hearViewers()
	}
	t.looks++
	for _, i := range t.control.Admit(k.now) {
		k.letIn(i)
	}
}

// hearEdges takes the edges' reports.
func (k *worker) hearEdges(n int) {
	w, t := k.w, &k.w.tracker
	e := admission.Edges{At: k.now}
	var sent int64
	for _, i := range t.edges {
		up := &w.peers[i].up
		e.Unlimited = e.Unlimited || up.rate == 0
		e.Budget += up.rate
		sent += up.owed
	}
	const span = edgeReports * loadReports * joinsEvery
	e.Out = max(sent-t.sent[n%loadReports], 0) * 8 * int64(time.Second) / int64(span)
	e.Feeds = e.Out
	t.sent[n%loadReports] = sent
	t.control.SetRate(w.sc.Stream.Kbit * 1000)
	t.control.SetEdges(e)
}

// hearViewers takes the reports of those that have found their places.
func (k *worker) hearViewers() {
	w, t := k.w, &k.w.tracker
	t.settling = slices.DeleteFunc(t.settling, func(i uint32) bool {
		p := w.peers[i]
		if !p.alive {
			return true
		}
		s := p.machine.Stats()
		if s.Attached < s.Trees || s.Temporary > 0 {
			return false
		}
		t.control.Report(i, s.Gives, true, s.AtServers > 0)
		return true
	})
}
