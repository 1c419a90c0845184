// SPDX-License-Identifier: GPL-3.0-or-later

package swarm

import "time"

// Play and store.
const (
	// defaultPlayDelay leaves time for a lost parent to be noticed and for
	// two attempts at repair over a long path.
	defaultPlayDelay = time.Second
	// defaultWindow is what the runner's store keeps.
	defaultWindow = 30 * time.Second
	// maxFragments bounds a track's window by number: 30 s of 60 frames a second.
	maxFragments = 2048
	// maxSeq is far above any fragment of an epoch (two years of 30 frames a
	// second), and far enough below the type's end for sums not to wrap.
	maxSeq = 1 << 31
	// maxAhead is the largest gap between two pieces that is filled; beyond
	// it the peer was away for so long that it begins anew.
	maxAhead = 1024
	// startPatience bounds the wait for the key frame chosen first, and for
	// what follows it: a viewer's downlink must carry the backlog first.
	startPatience = 3 * time.Second
	// closedQuests bounds what is kept of fragments for the next ones: about as
	// many as are missing at a time.
	closedQuests = 8
	// audioLead is where an audio-only stream begins: half a second back.
	audioLead = 6
)

// Trees.
const (
	// defaultGate: with two viewers, at most one copy in two is saved.
	defaultGate = 3
	// leastFanout is the most children that a viewer has in a tree that is not its
	// home, and as many more as a piece reaches within fanoutTime: beyond, the last
	// child waits longer than another hop would take. With pieces of 6 KiB 5 Mbit/s reach 8, and 20 reach 32;
	// where few have much, it is chance which trees are their homes.
	leastFanout = 4
	fanoutTime  = 80 * time.Millisecond
	// maxFanout bounds the children at home: a place in a tree is one of 255.
	maxFanout = 128
	// nearRTT is a round trip that only a LAN has, and nearBonus what such a
	// parent is preferred by, in milliseconds: more than any depth.
	nearRTT   = 2 * time.Millisecond
	nearBonus = 2000
	// strangerCost is how much later, in milliseconds, a piece may come from a
	// parent in its home tree before one that only helps out is preferred.
	strangerCost = 160
	// lacksCost is how much later, in milliseconds, an orphan takes what it misses
	// to come from a viewer that misses it too, and unheardCost from one that has not
	// spoken since the orphan's parent last did: it may have gone with the parent.
	lacksCost   = 300
	unheardCost = 200
	// quietAfter keeps an orphan from a viewer that has said nothing for longer than
	// from one have-map to the next: where one has gone others may have.
	quietAfter = 280 * time.Millisecond
	// defaultCopies is what a viewer carries until its uplink is known: less
	// than one would starve the swarm, more would fill a home line.
	defaultCopies = 2
	// ChildShare of a viewer's uplink goes to children, in percent: the rest is
	// for repair and control, and for what a picture takes more than its mean. It is of whole children, so that most
	// lines have more left: of 4 trees a line of 1.5 streams carries 5 from 84% on, and 6
	// at 100%. Where all uplinks together carry 1.2 streams every child counts:
	// 1,000 simulated homes that are let in at once have 4 in 1,000 pieces late and
	// 6% from the edge at 85%, and none and 1.5% at 93%. 100 real ones have 5.4% from the edge at 99%, and half of all
	// is 470 ms late; at 96% they have 6.3%, and 280 ms.
	ChildShare = 96
	// uplinkShare of an edge's goes to children, in percent: rescues come in no
	// order, and all of the swarm waits behind them.
	uplinkShare = 85
	// viewersPerRoot gives an edge one more child per tree for that many
	// viewers: 2% of the bytes buy a shallower tree.
	viewersPerRoot = 50
	// rootShare of an edge's uplink goes to permanent children, in percent: the
	// rest is for those that have just come, and for rescue.
	rootShare = 60
	// edgePlaces bounds an edge's children in one tree while no uplink is
	// known, temporary ones included.
	edgePlaces = 512
	// newcomerShare of an edge's uplink, in percent, is what a neighbour may
	// find in use and still get a place while it is younger than newcomerTime:
	// the rest up to uplinkShare is for those who play.
	newcomerShare = 75
	newcomerTime  = 5 * time.Second
	// edgeFanout is how many other edges an edge feeds.
	edgeFanout = 8
	// maxDepth is the deepest place that is taken or given. A tree of fan-out
	// 3 holds 30,000 peers at half of it.
	maxDepth = 20
	// subscribeTimeout is added to two round trips.
	subscribeTimeout = 300 * time.Millisecond
	// orphanTimeout is so instead for those that nobody feeds: whom they have
	// asked may have gone together with their parent.
	orphanTimeout = 100 * time.Millisecond
	// temporaryRetry is how often a child in a temporary place looks around.
	temporaryRetry = 200 * time.Millisecond
	// patientRetry is how often it does once it has been fed by an edge for
	// patientAfter: where uplinks are short, there will be nothing better. With
	// each refusal that doubles, up to maxSearchRetry: places become free when
	// somebody comes or finds more uplink, which is some times a minute.
	patientRetry   = time.Second
	patientAfter   = 2 * time.Second
	maxSearchRetry = 16 * time.Second
	// namedTime is when a place that an edge has named is asked for: by then its peer
	// has been dialled, and has told of it.
	namedTime = 300 * time.Millisecond
	// leafUplink is the line, in bits a second, for which the intervals of leaves are
	// meant: faster ones may do things as much more often.
	leafUplink = 128_000
	// leafMoveEvery is how often a viewer whose uplink carries nobody leaves an
	// edge's place for another: with the handshake before it a move takes 20 kbit, and
	// with ten of them in five seconds a line of 128 kbit/s had no room for acknowledgements.
	leafMoveEvery = time.Second
	// searchTime is how long a child that a viewer gives up looks for another
	// viewer before it burdens an edge: well before evictAfter.
	searchTime = time.Second
	// orphanRetry is how often a peer without a parent does.
	orphanRetry = 100 * time.Millisecond
	// improveEvery is how often a peer may move to a better place. Each move
	// costs a few messages and makes the peers below it wait.
	improveEvery = 2 * time.Second
	// movedAgain is how long a child has a place before it is moved aside: in a swarm
	// that grows by a quarter a second each newcomer would move it.
	movedAgain = 2 * time.Second
	// improveDepth is by how many hops a place must be better.
	improveDepth = 2
	// heavyWeight is the logarithm of the number of peers below for whose sake
	// an edge is burdened rather than a parent taken far down. Where half of 1,000
	// viewers leave, with 3 the edge has a queue of 200 ms for a second.
	heavyWeight = 4
	// aheadWeight is so for whose sake an orphan's new parent moves somebody aside
	// although there is a free place two hops further down. With 1 as many more
	// look for places as are helped.
	aheadWeight = 2
	// settleTime is how long a peer in a temporary place takes no children:
	// it is about to move.
	settleTime = 3 * time.Second
	// evictAfter ends a temporary place at a viewer.
	evictAfter = 3 * time.Second
	// shedEvery is how often a viewer gives up a child while it has more than its
	// uplink carries: as often as that is measured. It is also how long that child may
	// look for another parent: some round trips.
	shedEvery = 200 * time.Millisecond
	// lostPathGrace is how long a child stays with a parent that has lost its
	// own: the parent finds another one faster than all of its children do.
	lostPathGrace = 800 * time.Millisecond
	// joinGrace is how long a new viewer waits for viewers that it dials
	// before it burdens an edge.
	joinGrace = 100 * time.Millisecond
	// nameEvery is how often those in temporary places are told of others that
	// have free ones, and vacantTries how many neighbours are looked at for it.
	nameEvery   = time.Second
	vacantTries = 64
	// vacancyTurn is how long somebody is named the same ones first.
	vacancyTurn = 10 * time.Second
	// assignEvery is how often an edge looks over its places.
	assignEvery = 100 * time.Millisecond
	// rebalanceEvery limits how often an edge moves a place to a less burdened viewer.
	rebalanceEvery = 500 * time.Millisecond
	// offerTime is how long an offered place is kept.
	offerTime = time.Second
	// catchUp bounds the fragments of which pieces are pushed to a new child at
	// once: a second of 30 frames, after which players do without them.
	catchUp = 32
	// leavingTime is how long a parent that was left may still push what is older
	// than the change.
	leavingTime = time.Second
)

// A parent that falls behind.
const (
	// silentAfter is for viewers, beside half a round trip: a parent says
	// something each kinEvery, and two words have not come. With one and a half
	// of them, 50 viewers in one process stalled eight times in a minute.
	silentAfter = 290 * time.Millisecond
	// silentMost is for those whose words come irregularly, because datagrams are
	// lost or computers have too much to do: they get a quarter more than their
	// longest gap, of which one part in gapMemory is forgotten with each word.
	silentMost = 400 * time.Millisecond
	gapMemory  = 64
	// silentServerAfter is for edges and sources among each other, beside half
	// a round trip: all of an edge's viewers wait when its parent has gone, and
	// what they missed meanwhile must fit into the little that their uplinks
	// have left.
	silentServerAfter = 150 * time.Millisecond
	// silentEdgeAfter is for an edge that feeds a viewer.
	silentEdgeAfter = 250 * time.Millisecond
	// withheldAfter is how long a parent may hold back pieces that it has.
	withheldAfter = 150 * time.Millisecond
	// starvedAfter is how long it may itself be without them.
	starvedAfter = 600 * time.Millisecond
	// starvingTime is how long a peer that starves in most of its trees stays
	// with its parents.
	starvingTime = 2 * time.Second
	// suspectAfter keeps a silent viewer from being asked or chosen: have-maps
	// come every 250 ms. When half of a swarm goes, half of the neighbours are
	// dead, and there is no time to ask them.
	suspectAfter = 450 * time.Millisecond
	// deadAfter ends a session with a neighbour that has said nothing for two
	// of its heartbeats and a retransmission: sooner than a session would
	// notice, since it also has to survive a change of networks.
	deadAfter = 2500 * time.Millisecond
	// suspectEdgeAfter does so between edges and viewers, who talk less often.
	suspectEdgeAfter = 1500 * time.Millisecond
	// badParentTime keeps a peer from returning to a parent that failed.
	badParentTime = 5 * time.Second
)

// Have-maps and heartbeats.
const (
	// haveEvery: ten neighbours cost 1% of a stream of 400 kbit/s.
	haveEvery = 250 * time.Millisecond
	// tellEarly: who is to be told something within that time is told now, in one tick
	// with others. With 125 ms everybody was told each 140 ms, since parents and
	// children are: 73 have-maps a second with ten neighbours, three in five of all events.
	tellEarly = 40 * time.Millisecond
	// leafHaveEvery: to acknowledge a have-map takes 1 kbit, and a line that
	// carries nobody may have but 128 kbit/s.
	leafHaveEvery = 500 * time.Millisecond
	// edgeHaveEvery: an edge has everything, so its have-map says little.
	edgeHaveEvery = time.Second
	// serverHaveEvery is for sources and edges among each other. They are few,
	// and are to notice at once when one of them goes.
	serverHaveEvery = 50 * time.Millisecond
	// childHaveEvery is for those that an edge feeds.
	childHaveEvery = 100 * time.Millisecond
	// kinEvery is after what a parent or child that got nothing else gets a
	// heartbeat. Where pieces come more often there are none from parents.
	kinEvery = 140 * time.Millisecond
	// beatEvery is how often a neighbour that gets no have-maps is shown that
	// the peer is alive.
	beatEvery = time.Second
	// changeLog bounds the changes kept for have-maps: what a backlog of four
	// seconds brings at once. A neighbour that is further behind is told of
	// everything.
	changeLog = 128
)

// Repair.
const (
	// minPatience and maxPatience bound how long an expected piece is waited
	// for: below, every piece that is overtaken would be asked for; above,
	// the play delay is used up.
	minPatience = 60 * time.Millisecond
	maxPatience = 600 * time.Millisecond
	// firstPatience is for trees of which no delays are known yet.
	firstPatience = 200 * time.Millisecond
	// orphanPatience is for trees without a parent: the next have-map may
	// show a piece that is just being asked for.
	orphanPatience = 40 * time.Millisecond
	// depthPatience makes those further down ask later: what their parent
	// repairs comes down the tree.
	depthPatience = 10 * time.Millisecond
	// rescueAfter is when an edge is asked for a piece that no neighbour has:
	// long enough for one have-map and a repair, short enough for a player
	// with a buffer of a few frames.
	rescueAfter = 300 * time.Millisecond
	// rescueMargin is what is left of the play delay at the latest rescue,
	// beside the edge's round trip.
	rescueMargin = 250 * time.Millisecond
	// lastCallTime before a piece is given up an edge is asked for it, although
	// neighbours have it: an edge's round trip twice, if something is lost, and
	// what a line takes for the pieces before it. 100 ms sooner, half of what was
	// asked for came from the parent in the same 50 ms.
	lastCallTime = 300 * time.Millisecond
	// beforeLastCall is when neighbours are asked, although the parent may yet bring
	// the piece: a round trip and a wait in somebody's queue.
	beforeLastCall = 150 * time.Millisecond
	// askTimeout is added to two round trips.
	askTimeout = 50 * time.Millisecond
	// usualPiece is what pieces are taken for in bytes until some have come, and leastPiece
	// what they are taken for at least: small ones have their costs too.
	usualPiece = 6 << 10
	leastPiece = 4 << 10
	// sizeMemory is over how many pieces the mean of their sizes goes: a second or so.
	sizeMemory = 16
	// maxAskTimeout keeps one slow neighbour from holding a piece.
	maxAskTimeout = time.Second
	// askShare of the uplink at most is spent on asking for pieces, at askBits
	// for each: request, answer to it and acknowledgements. maxAsks and minAsks
	// a second bound it; what askSpan saves up may be asked for at once. With minAsks 24 what
	// 100 homes with 128 kbit/s get twice is 3% instead of 1 to 2%.
	askShare = 0.2
	askBits  = 1200
	maxAsks  = 512
	minAsks  = 12
	askSpan  = time.Second
	// orphanCost is what is counted for a piece that is older than what a new parent pushes: it
	// would be acknowledged once by whatever way it came, so that only the request is more. Of 354 pieces
	// that 100 homes missed, nine in ten with 128 kbit/s, 204 were such ones whose new parent was an edge, and when 302
	// were given up what may be asked for was used up.
	orphanCost = 0.25
	// maxAsked bounds the pieces asked of one neighbour at a time, maxBacklog
	// those of the backlog over all: a burst must not drown live pieces.
	maxAsked   = 16
	maxBacklog = 48
	// busyQueue is the send queue beyond which repairs are refused:
	// somebody else sends the piece sooner, and what is pushed must not wait.
	// It is paid again at each hop.
	busyQueue = 40 * time.Millisecond
	// fullCost is how much later a piece may come from a viewer with free places
	// before one is asked that has none, and that will likely refuse: a round trip,
	// and the wait behind what it pushes.
	fullCost = 100 * time.Millisecond
	// maxBusy bounds what an uplink is believed to have to do, also one of a bit
	// a second: what waits longer is not sent any more, and lines become faster.
	maxBusy = time.Second
	// placeQueue is the queue beyond which an edge takes no child, and a viewer none
	// that has just come: above busyQueue, so that what newcomers fetch gives way to
	// the places that they need.
	placeQueue = 80 * time.Millisecond
	// orphanQueue is so for those that have lost their parent and have many below
	// them: the delay is less than a place further down would cost all of these.
	// Where one of two edges goes, 1,000 viewers stall 289 times with eight seeds
	// without, 72 times with it, and 9 times if orphans may have all of the uplink.
	orphanQueue = 200 * time.Millisecond
	// edgeRefused is how long an orphan does not ask an edge again that had no room.
	edgeRefused = 200 * time.Millisecond
	// spareTime is how long an edge that could not answer is not asked again:
	// a crowd that asks takes its uplink for nothing but refusals.
	spareTime = 500 * time.Millisecond
	// lackSize and lackIDSize are what a refusal takes of the uplink, with headers.
	lackSize   = 60
	lackIDSize = 7
	// wireShare of an uplink, in percent, carries pieces: the rest is for what
	// goes along with them. Without it a queue that never empties would grow
	// unseen.
	wireShare = 95
	// answerRate and answerBurst bound the pieces a neighbour may ask for:
	// a backlog of four seconds at once, and twice the live rate after.
	answerRate  = 128 // per second
	answerBurst = 320
	// maxAgain is how often a piece is sent to the same neighbour again.
	maxAgain = 3
	// againKept bounds the memory of such pieces.
	againKept = 256
)

// Neighbours.
const (
	// targetViewers is how many viewers a viewer dials: four parents, and a
	// spare for each.
	targetViewers = 8
	// targetLeafViewers is how many a viewer dials whose uplink carries nobody: an
	// edge names it a place when there is one, and a handshake takes 10 kbit.
	targetLeafViewers = 4
	// targetEdges is one in use and one in reserve.
	targetEdges = 2
	// targetServers is how many sources and edges an edge keeps.
	targetServers = 8
	// searchViewers is how many a viewer may have that still looks for a
	// parent; beyond, one of no use goes for each that is dialled.
	searchViewers = 20
	// calmViewers is how many it keeps once it has a good place in every tree.
	calmViewers = 12
	// pruneEvery limits how often, and pruneAge spares those that have just come.
	pruneEvery = 500 * time.Millisecond
	// leafPruneEvery is for lines on which a handshake takes long.
	leafPruneEvery = 4 * time.Second
	pruneAge       = 5 * time.Second
	// maxViewerNeighbours bounds control traffic; more are sent away.
	maxViewerNeighbours = 24
	// leafNeighbourBits of the uplink of a viewer that carries nobody allow one
	// neighbour: to answer and greet it takes some 5 kbit/s, and the line may
	// have but 128. The more it has, the sooner it finds a free place.
	leafNeighbourBits = 20_000
	minLeafNeighbours = 8
	// maxEdgeNeighbours bounds an edge's memory: about 4 kB for each.
	maxEdgeNeighbours = 16384
	// edgeNeighbourBits of an edge's uplink allow one neighbour: when all of
	// them ask for what is late, the answers take 500 bit/s for each, and none
	// of that may come out of what is pushed.
	edgeNeighbourBits = 16_000
	minEdgeNeighbours = 64
	// maxSourceNeighbours: a source serves edges, not viewers.
	maxSourceNeighbours = 64
	// maxKnown bounds the peers that could be dialled: what neighbours tell of
	// in a quarter of a minute, and half of them are alive when half of the swarm goes.
	maxKnown = 64
	// dialsAtOnce bounds the dials under way: a handshake's datagram is 77 ms
	// on a line of 128 kbit/s, and comes again after 200 ms.
	dialsAtOnce = 3
	// leafDialEvery is how often a viewer whose uplink carries nobody dials a viewer, once
	// it is fed: with probes and handshake that takes some 20 kbit, and 30 kbit/s were missing to acknowledgements.
	leafDialEvery = 4 * time.Second
	// narrowDialEvery is so on lines of less than leafUplink. Where uplinks are short, most who win a place take
	// it from somebody else; 15 of 100 homes that dialled every 4 s found 79 viewers in 20 s, used 108 of
	// their 128 kbit/s, and missed some three times as much. They use half of that now (rudp.VeryThrifty).
	narrowDialEvery = 15 * time.Second
	// dialTimeout gives up a dial of which nothing was heard.
	dialTimeout = 10 * time.Second
	// dialBackoff doubles with each failure of a viewer.
	dialBackoff = 2 * time.Second
	// redialAfter is when a peer whose session has ended is dialled again: it
	// may have been restarted. It doubles with each session that was not longer
	// than longSession and ended while neither fed the other, up to maxLosses
	// times: 4 s.
	redialAfter = 500 * time.Millisecond
	longSession = 2 * time.Minute
	maxLosses   = 3
	// dialTries is after how many failures a peer is forgotten.
	dialTries = 4
	// fewViewers is below what the tracker is asked for more.
	fewViewers = 4
	// wantEvery limits how often.
	wantEvery = 5 * time.Second
	// exchangeEvery is how often one neighbour is told of others.
	exchangeEvery = 10 * time.Second
	// exchangeLimit is how often a neighbour may tell of others.
	exchangeLimit = 3 * time.Second
	// exchangeSize is how many peers are told of at once.
	exchangeSize = 4
)

// Clockwork.
const (
	// busyTick is how often a machine looks at pieces that are overdue and that
	// nobody is known to have.
	busyTick = 20 * time.Millisecond
	// idleTick is how often it looks at everything, and calmTick where it has a
	// good place in every tree.
	idleTick = 50 * time.Millisecond
	calmTick = 100 * time.Millisecond
	// keepEvery is how often the number of neighbours is looked at.
	keepEvery = 100 * time.Millisecond
	// heldUpMin is by how much a tick must be late for the peer's own machine
	// to be the cause of what did not come; timers are a few milliseconds late.
	heldUpMin = 30 * time.Millisecond
	// heldUpMax is after what the machine has slept, and all is gone.
	heldUpMax = 5 * time.Second
)
