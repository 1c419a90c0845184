// SPDX-License-Identifier: GPL-3.0-or-later

package swarm

import (
	"math/rand/v2"
	"slices"
	"time"

	"p2plive/internal/wire"
)

// Machine is the swarm's logic for one peer in one stream. It is not safe for
// use by several goroutines at once. What each event needs stands first.
type Machine struct {
	now          time.Duration
	out          Outbox        // while an event is handled
	nextWork     time.Duration // when there is something to do
	wakeAt       time.Duration // what the runner was asked for last
	asleep       bool          // the runner was asked for nothing, or has come
	hungry       bool          // a piece is overdue and nobody is known to have it
	live         bool          // a catalog is known
	ended        bool          // the source has said good-bye
	epoch        wire.Epoch
	backlogAsked int // pieces of the backlog asked for and not yet come

	// neighbours stand in order of arrival: all loops go over the slice, since
	// the order of a map differs from run to run.
	neighbours []*neighbour
	keys       []uint32                   // the first bytes of their ids
	byID       map[wire.PeerID]*neighbour // of many
	rng        *rand.Rand

	tracks   []*track
	trees    []*tree // of all tracks
	nextKeep time.Duration
	nextTell time.Duration

	uplink   int64
	open     bool // the uplink has shown no bound yet
	rates    rates
	asks     float64       // pieces that may be asked for now
	askedAt  time.Duration // when that was renewed
	sentAt   time.Duration // when all that was emitted has left, if the uplink is known
	nextShed time.Duration

	cfg           Config
	short         wire.PathID
	book          book
	roles         roles // of the neighbours
	nextPrune     time.Duration
	nextMove      time.Duration // of a leaf, from an edge
	nextDial      time.Duration // of a leaf, to a viewer
	nextAssign    time.Duration
	nextRebalance time.Duration
	nextWant      time.Duration
	nextExchange  time.Duration
	edgesFrom     time.Duration // an edge is not burdened before

	stats Stats
}

// New returns the machine of a peer that knows nobody yet.
func New(cfg Config) *Machine {
	cfg = cfg.withDefaults()
	m := &Machine{
		cfg:    cfg,
		short:  cfg.Self.PathID(),
		rng:    rand.New(rand.NewPCG(cfg.Seed, 0x70327020)),
		uplink: cfg.Uplink,
		asleep: true,
	}
	m.measure()
	return m
}

// Handle takes an event at the given time, counted from any fixed moment and
// never going back, and returns what is to be done, in order.
func (m *Machine) Handle(now time.Duration, ev Event) []Command {
	var commands list
	m.HandleTo(now, ev, &commands)
	return commands
}

// HandleTo does as Handle, and gives the commands to an outbox.
func (m *Machine) HandleTo(now time.Duration, ev Event, out Outbox) {
	m.now = max(now, m.now)
	m.out = out
	m.heldUp()
	m.event(ev)
	if m.now >= m.nextWork {
		m.work()
	}
	m.schedule()
	m.out = nil
}

func (m *Machine) event(ev Event) {
	switch ev := ev.(type) {
	case PeerUp:
		m.peerUp(ev)
	case PeerDown:
		m.peerDown(ev.Peer)
	case Received:
		m.received(ev)
	case PieceIn:
		m.pieceIn(ev)
	case PieceMade:
		m.pieceMade(ev)
	case PieceBad:
		// The runner ends the session: what was asked there is asked elsewhere.
		m.peerDown(ev.Peer)
		m.book.forget(ev.Peer)
	case CatalogSet:
		m.catalogSet(ev)
	case Introduced:
		m.introduced(ev.Peers, false)
	case DialFailed:
		m.book.failed(ev.Peer, m.now)
	case SendFailed:
		m.sendFailed(ev)
	case Link:
		if n := m.find(ev.Peer); n != nil && ev.RTT >= 0 {
			n.rtt = ev.RTT
		}
	case Capacity:
		m.uplink, m.open = max(ev.Uplink, 0), ev.Open
		m.measure()
	case Tick:
		m.asleep = true
	}
}

// work does what is due. Its phases go from the most urgent to the least.
func (m *Machine) work() {
	m.nextWork = m.now + m.idle()
	if m.live {
		for _, t := range m.tracks {
			m.trim(t)
		}
		m.nextWork = min(m.nextWork, m.repair())
		m.keepParents()
		m.keepChildren()
		for _, t := range m.tracks {
			m.deliver(t)
		}
		m.tell()
		m.nextWork = min(m.nextWork, m.nextTell)
	}
	if m.now >= m.nextKeep {
		m.nextKeep = m.now + keepEvery
		m.keepNeighbours()
	}
	m.nextWork = max(m.nextWork, m.now+busyTick/4)
}

// idle returns how long the peer may do nothing but answer.
func (m *Machine) idle() time.Duration {
	if m.serving() {
		return idleTick
	}
	for _, tr := range m.trees {
		if tr.parent == nil || tr.pending != nil || tr.temporary || tr.overdue > 0 || len(tr.path) == 0 {
			return idleTick
		}
	}
	return calmTick
}

// hurry has work done at the end of this event.
func (m *Machine) hurry() { m.nextWork = m.now }

// hurryNeighbours has dials looked after as well.
func (m *Machine) hurryNeighbours() {
	m.nextKeep = m.now
	m.hurry()
}

// schedule asks for the next tick, if it is not the one asked for.
func (m *Machine) schedule() {
	if m.asleep || m.nextWork < m.wakeAt || m.wakeAt < m.now {
		m.asleep, m.wakeAt = false, m.nextWork
		m.out.Wake(Wake{At: m.nextWork})
	}
}

func (m *Machine) emit(c Command) { m.out.Do(c) }

func (m *Machine) send(n *neighbour, msg wire.Message) {
	n.spoken = m.now
	m.out.Send(Send{Peer: n.id(), Msg: msg})
}

// sendPiece sends a piece unless the neighbour has it.
func (m *Machine) sendPiece(n *neighbour, t *track, id wire.PieceID, via wire.Via) {
	if !n.mark(t, id.Seq, id.Index, t.count(id.Seq)) {
		return
	}
	m.emitPiece(n, id, via)
}

// received hands a message to its part of the machine. Messages about another
// epoch are not understood: their senders say it again once both are in one.
func (m *Machine) received(ev Received) {
	n := m.find(ev.Peer)
	if n == nil {
		m.stats.Nonsense++
		return
	}
	n.hear(m.now)
	if msg, ok := ev.Msg.(*wire.Peers); ok {
		m.onPeers(n, msg)
		return
	}
	tag, ok := epochOf(ev.Msg)
	if !ok {
		m.stats.Nonsense++
		return
	}
	if !m.live || tag != m.epoch.Tag() {
		m.foreign(n, ev.Msg)
		return
	}
	if !n.synced {
		// It may not have understood what we said before.
		n.synced = true
		m.tellAll(n)
	}
	switch msg := ev.Msg.(type) {
	case *wire.Subscribe:
		m.onSubscribe(n, msg)
	case *wire.Unsubscribe:
		m.onUnsubscribe(n, msg)
	case *wire.Accept:
		m.onAccept(n, msg)
	case *wire.Refuse:
		m.onRefuse(n, msg)
	case *wire.Have:
		m.onHave(n, msg)
	case *wire.Request:
		m.onRequest(n, msg)
	case *wire.Lack:
		m.onLack(n, msg)
	case *wire.Heartbeat:
		m.onHeartbeat(n, msg)
	}
}

func epochOf(msg wire.Message) (wire.EpochTag, bool) {
	switch msg := msg.(type) {
	case *wire.Subscribe:
		return msg.Epoch, true
	case *wire.Unsubscribe:
		return msg.Epoch, true
	case *wire.Accept:
		return msg.Epoch, true
	case *wire.Refuse:
		return msg.Epoch, true
	case *wire.Have:
		return msg.Epoch, true
	case *wire.Request:
		return msg.Epoch, true
	case *wire.Lack:
		return msg.Epoch, true
	case *wire.Heartbeat:
		return msg.Epoch, true
	}
	return 0, false
}

// foreign answers a message about another epoch so that its sender does not wait.
func (m *Machine) foreign(n *neighbour, msg wire.Message) {
	switch msg := msg.(type) {
	case *wire.Subscribe:
		m.send(n, &wire.Refuse{Epoch: msg.Epoch, Tree: msg.Tree, Reason: wire.RefuseEpoch})
	case *wire.Request:
		m.send(n, &wire.Lack{Epoch: msg.Epoch, IDs: msg.IDs})
	}
}

func (m *Machine) catalogSet(ev CatalogSet) {
	if m.live && ev.Epoch < m.epoch {
		m.stats.Nonsense++
		return
	}
	fresh := !m.live || ev.Epoch != m.epoch
	if fresh {
		m.live, m.epoch = true, ev.Epoch
		m.tracks, m.trees, m.backlogAsked = nil, nil, 0
	}
	m.ended = ev.Ended
	for _, info := range ev.Tracks {
		m.setTrack(info)
	}
	m.measure()
	for _, n := range m.neighbours {
		if fresh {
			n.forget(m)
			m.tellAll(n)
		}
		n.fit(m)
	}
	m.hurry()
}

// setTrack adds a track or renews what is known of it. The number of its
// trees does not change within an epoch.
func (m *Machine) setTrack(info TrackInfo) {
	info.Substreams = min(max(info.Substreams, 1), wire.MaxSubstreams)
	info.Timescale = max(info.Timescale, 1)
	if t := m.track(info.ID); t != nil {
		info.Substreams = t.info.Substreams
		t.info = info
		return
	}
	if info.ID == 0 || len(m.tracks) == wire.MaxTracks {
		m.stats.Nonsense++
		return
	}
	t := &track{info: info, index: len(m.tracks)}
	if m.cfg.Role == wire.RoleSource {
		t.begin(0, m.now)
		t.playing = true
	}
	trees := make([]tree, info.Substreams) // side by side
	for i := range trees {
		tr := &trees[i]
		*tr = tree{id: wire.Tree{Track: info.ID, Substream: wire.Substream(i)}, track: t, index: len(m.trees)}
		t.trees = append(t.trees, tr)
		m.trees = append(m.trees, tr)
	}
	t.trees[home(m.short, info.ID, len(trees))].home = true
	m.tracks = append(m.tracks, t)
}

func (m *Machine) track(id wire.TrackID) *track {
	i := slices.IndexFunc(m.tracks, func(t *track) bool { return t.info.ID == id })
	if i < 0 {
		return nil
	}
	return m.tracks[i]
}

func (m *Machine) tree(id wire.Tree) *tree {
	if t := m.track(id.Track); t != nil && int(id.Substream) < len(t.trees) {
		return t.trees[id.Substream]
	}
	return nil
}
