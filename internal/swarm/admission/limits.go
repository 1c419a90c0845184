// SPDX-License-Identifier: GPL-3.0-or-later

package admission

import "time"

// What a swarm is taken to give. The machine (package swarm) says what it
// can give to children, and refuses newcomers at an edge above 75% of its budget.
const (
	// edgeShare of an edge's budget is for the places that it gives, in
	// percent; the rest is for rescues, and for what newcomers fetch at their
	// start.
	edgeShare = 75
	// fullShare of an edge's budget in use shows that it is full indeed.
	fullShare = 90
	// calmGrowth is by how much a swarm grows at once that lives on its viewers
	// alone, in percent.
	calmGrowth = 5
	// findShare of the places that are free at viewers are found by newcomers
	// in time, in percent: they ask a few viewers each, and at the same moment.
	// 50 viewers who become 5,000 at edges of 12 copies in all, uplinks of 1.5:
	// with 35 the last has a picture after 35 s and three stall, with 65 after
	// 17 s and six stall, with 100 after 13 s and eleven stall.
	findShare = 65
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
	// calmTime without a newcomer is when all have found their places who can,
	// and edges have taken back what they only lent.
	calmTime = 5 * time.Second
	// awayTime keeps the place in the queue of a viewer whose connection to
	// the tracker is lost: time enough to connect again.
	awayTime = 15 * time.Second
	// sweepEvery is how often the queue is looked through for those.
	sweepEvery = time.Second
)
