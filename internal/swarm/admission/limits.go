// SPDX-License-Identifier: GPL-3.0-or-later

package admission

import "time"

// What a swarm is taken to give. The machine (package swarm) says what it can
// give to children, and refuses newcomers at an edge above 75% of its budget.
const (
	// edgeShare of an edge's budget is for the places that it gives, in
	// percent; the rest is for rescues, and for what newcomers fetch at their
	// start.
	edgeShare = 75
	// fullShare of it in use is an edge that is full: it gives 85% to those who
	// play, and what they are rescued with comes on top. Below, good children
	// may hold more than edgeShare for as long as the swarm lasts.
	fullShare = 90
	// findShare of the places that are free at viewers is given to newcomers at
	// a time, in percent. Newcomers are of use before they have said so, and let
	// in at once most find their places in half a second; but the faster a swarm
	// grows, the more often those who play are moved down for newcomers, while
	// everybody's uplink is busy with what newcomers start with. 50 viewers who
	// become 5,000 at two edges of 6 copies: with 40 all wait up to 25 s and nobody
	// stalls, with 65 up to 17 s, and nobody does either with three seeds.
	findShare = 65
	// deepShare is findShare from deepSwarm viewers on. Each level of the trees adds
	// to what a parent's move or queue costs below, and the play delay does not
	// grow. Small swarms are flat: to halve their pace gains nothing, and half of
	// 1,000 who come at once would wait 12 s instead of 5.
	deepShare = 40
	deepSwarm = 1000
	// maxCopies is how many copies of the stream one viewer is believed to
	// give, whatever it says.
	maxCopies = 20
	// assumedRate stands for a stream's rate until it is told, in bits a second.
	assumedRate = 4_000_000
)

const (
	// freshTime is how long a newcomer that has not found its places may be
	// missing from what the edges say that they send: half a second to start,
	// and the two of which they tell the rate.
	freshTime = 3 * time.Second
	// awayTime keeps the place in the queue of a viewer whose connection to
	// the tracker is lost: time enough to connect again.
	awayTime = 15 * time.Second
	// sweepEvery is how often the queue is looked through for those.
	sweepEvery = time.Second
)
