// SPDX-License-Identifier: GPL-3.0-or-later

// Package admission decides when a stream's viewers may come in: as many at a
// time as its swarm and the budget of its edges can feed. The others wait in
// order. It is a pure machine: the tracker runs it with real viewers, the
// simulator with simulated ones.
package admission
