// SPDX-License-Identifier: GPL-3.0-or-later

package swarm

// fragmentRing is a queue of fragments. They stand beside each other and are
// used again, since a track has some hundred of them and a new one all the time.
// What push has moved is no longer where it was.
type fragmentRing struct {
	ring  []fragment
	first int
	n     int
}

func (r *fragmentRing) len() int { return r.n }

// at returns the fragment at a place, counted from the oldest.
func (r *fragmentRing) at(i int) *fragment {
	if i += r.first; i >= len(r.ring) {
		i -= len(r.ring)
	}
	return &r.ring[i]
}

// push appends a fragment.
func (r *fragmentRing) push(f fragment) {
	if r.n == len(r.ring) {
		grown := make([]fragment, r.n+max(r.n/4, 16))
		for i := range r.n {
			grown[i] = *r.at(i)
		}
		r.ring, r.first = grown, 0
	}
	r.n++
	*r.at(r.n - 1) = f
}

// shift removes the oldest fragment.
func (r *fragmentRing) shift() {
	*r.at(0) = fragment{}
	r.n--
	if r.first++; r.first == len(r.ring) {
		r.first = 0
	}
}
