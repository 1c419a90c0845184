// SPDX-License-Identifier: GPL-3.0-or-later

package wire

import "encoding/binary"

const (
	// MaxPath bounds the path from the source to a peer. A tree of fan-out 3
	// and this depth has far more places than there are people.
	MaxPath = 32

	maxTrees = MaxTracks * MaxSubstreams
)

// Subscribe asks a peer to become the parent in a tree: to push the tree's
// pieces, from fragment From on, as they come.
type Subscribe struct {
	Epoch  EpochTag
	Tree   Tree
	From   Seq
	Weight uint8 // log2 of the number of peers below the sender, with itself
}

// Type implements Message.
func (*Subscribe) Type() Type { return TypeSubscribe }

func (m *Subscribe) append(b []byte) []byte {
	return append(appendSeq(appendTree(appendTag(b, m.Epoch), m.Tree), m.From), m.Weight)
}

func parseSubscribe(r *reader) (Message, error) {
	m := &Subscribe{Epoch: r.tag(), Tree: r.tree(), From: Seq(r.u32()), Weight: r.u8()}
	if err := r.end(); err != nil {
		return nil, err
	}
	return m, nil
}

// Accept says yes to a Subscribe, and later tells when its terms change.
type Accept struct {
	Epoch EpochTag
	Tree  Tree
	// Temporary places are given until the child has found another parent.
	Temporary bool
	Path      []PathID   // of the sender, from the source down; at most MaxPath
	Others    []PeerInfo // who else may be asked; at most MaxOthers
}

const flagTemporary = 1

// Type implements Message.
func (*Accept) Type() Type { return TypeAccept }

func (m *Accept) append(b []byte) []byte {
	b = appendTree(appendTag(b, m.Epoch), m.Tree)
	var flags byte
	if m.Temporary {
		flags |= flagTemporary
	}
	b = appendPath(append(b, flags), m.Path)
	return appendPeerInfos(b, m.Others, MaxOthers)
}

func parseAccept(r *reader) (Message, error) {
	m := &Accept{Epoch: r.tag(), Tree: r.tree()}
	flags := r.u8()
	m.Temporary = flags&flagTemporary != 0
	m.Path = r.path()
	m.Others = r.peerInfos(MaxOthers)
	if err := r.end(); err != nil || flags&^flagTemporary != 0 {
		return nil, ErrMalformed
	}
	return m, nil
}

// RefuseReason says why a peer does not become, or stay, a parent.
type RefuseReason uint8

// Reasons to refuse.
const (
	RefuseFull  RefuseReason = 1 + iota // no slot is free
	RefuseLoop                          // the sender is below the child
	RefuseLost                          // the sender has no path to the source
	RefuseBusy                          // the sender is just changing its own parent
	RefuseEpoch                         // the sender knows another epoch, or not the track
	RefuseRole                          // the sender does not serve the child's role
)

// Refuse says no to a Subscribe, or ends one that was accepted.
type Refuse struct {
	Epoch  EpochTag
	Tree   Tree
	Reason RefuseReason
	Others []PeerInfo // who else may be asked; at most MaxOthers
}

// Type implements Message.
func (*Refuse) Type() Type { return TypeRefuse }

func (m *Refuse) append(b []byte) []byte {
	b = appendTree(appendTag(b, m.Epoch), m.Tree)
	return appendPeerInfos(append(b, byte(m.Reason)), m.Others, MaxOthers)
}

func parseRefuse(r *reader) (Message, error) {
	m := &Refuse{Epoch: r.tag(), Tree: r.tree(), Reason: RefuseReason(r.u8())}
	m.Others = r.peerInfos(MaxOthers)
	if err := r.end(); err != nil || m.Reason < RefuseFull || m.Reason > RefuseRole {
		return nil, ErrMalformed
	}
	return m, nil
}

// Unsubscribe leaves a parent: it pushes pieces of fragments before From
// only, so that a change of parents neither loses nor doubles a piece.
type Unsubscribe struct {
	Epoch EpochTag
	Tree  Tree
	From  Seq
}

// Type implements Message.
func (*Unsubscribe) Type() Type { return TypeUnsubscribe }

func (m *Unsubscribe) append(b []byte) []byte {
	return appendSeq(appendTree(appendTag(b, m.Epoch), m.Tree), m.From)
}

func parseUnsubscribe(r *reader) (Message, error) {
	m := &Unsubscribe{Epoch: r.tag(), Tree: r.tree(), From: Seq(r.u32())}
	if err := r.end(); err != nil {
		return nil, err
	}
	return m, nil
}

// TreeState is a peer's place in one tree.
type TreeState struct {
	Tree   Tree
	Free   uint8    // places for the receiver; at most MaxFree
	Aside  bool     // for a place, somebody is moved aside who carries less
	Weight uint8    // base-2 logarithm of the peers below the sender, itself included
	Path   []PathID // from the source down to the sender's parent; empty if it has none
}

// MaxFree is the most places that are told of: the highest bit is Aside.
const (
	MaxFree   = 1<<7 - 1
	flagAside = 1 << 7
)

// Heartbeat tells a neighbour what has changed in the sender's trees. After a
// session's start, or a new epoch, it tells of all of them.
type Heartbeat struct {
	Epoch EpochTag
	Slots uint16 // children in all trees that the sender can carry; 0 if it shares nothing
	Trees []TreeState
}

// Type implements Message.
func (*Heartbeat) Type() Type { return TypeHeartbeat }

func (m *Heartbeat) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(appendTag(b, m.Epoch), m.Slots)
	trees := m.Trees[:min(len(m.Trees), maxTrees)]
	b = binary.BigEndian.AppendUint16(b, uint16(len(trees)))
	for i := range trees {
		t := &trees[i]
		free := min(t.Free, MaxFree)
		if t.Aside {
			free |= flagAside
		}
		b = appendPath(append(appendTree(b, t.Tree), free, t.Weight), t.Path)
	}
	return b
}

func parseHeartbeat(r *reader) (Message, error) {
	m := &Heartbeat{Epoch: r.tag(), Slots: r.u16()}
	n := int(r.u16())
	if r.bad || n > maxTrees {
		return nil, ErrMalformed
	}
	for range n {
		t := TreeState{Tree: r.tree(), Free: r.u8(), Weight: r.u8(), Path: r.path()}
		t.Free, t.Aside = t.Free&MaxFree, t.Free&flagAside != 0
		m.Trees = append(m.Trees, t)
		if r.bad {
			return nil, ErrMalformed
		}
	}
	if err := r.end(); err != nil {
		return nil, err
	}
	return m, nil
}

func appendTag(b []byte, t EpochTag) []byte { return binary.BigEndian.AppendUint32(b, uint32(t)) }

func (r *reader) tag() EpochTag { return EpochTag(r.u32()) }

func appendTree(b []byte, t Tree) []byte { return append(b, byte(t.Track), byte(t.Substream)) }

func (r *reader) tree() Tree {
	t := Tree{Track: TrackID(r.u8()), Substream: Substream(r.u8())}
	if t.Track == 0 || t.Substream >= MaxSubstreams {
		r.bad = true
	}
	return t
}

func appendPath(b []byte, path []PathID) []byte {
	path = path[:min(len(path), MaxPath)]
	b = append(b, byte(len(path)))
	for i := range path {
		b = append(b, path[i][:]...)
	}
	return b
}

func (r *reader) path() []PathID {
	n := int(r.u8())
	if n > MaxPath {
		r.bad = true
	}
	raw := r.take(n * len(PathID{}))
	if r.bad || n == 0 {
		return nil
	}
	path := make([]PathID, n)
	for i := range path {
		path[i] = PathID(raw[i*len(PathID{}):])
	}
	return path
}
