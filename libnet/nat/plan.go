// SPDX-License-Identifier: GPL-3.0-or-later

package nat

import (
	"encoding/binary"
	"slices"
)

// Class is what a peer tells others of how its socket is connected: as much as they need to choose how to
// reach it.
type Class struct {
	Type       Type // "" is TypeUnknown
	Allocation Allocation
	Step       int // of Sequential, otherwise 0
}

// Class of a result.
func (r Result) Class() Class { return Class{Type: r.Type, Allocation: r.Allocation, Step: r.Step} }

// classLen is the length of a class in a connection request: type, allocation, step.
const classLen = 1 + 1 + 2

// types and allocations are by their numbers in connection requests.
var (
	types       = []Type{TypeUnknown, TypeOpen, TypeFirewall, TypeNAT1, TypeNAT2, TypeNAT3, TypeNAT4, TypeBlocked}
	allocations = []Allocation{AllocationUnknown, Preserving, Sequential, Random}
)

func (c Class) append(b []byte) []byte {
	b = append(b, byte(max(slices.Index(types, c.Type), 0)), byte(max(slices.Index(allocations, c.Allocation), 0)))
	return binary.BigEndian.AppendUint16(b, uint16(int16(min(max(c.Step, -maxStep), maxStep))))
}

// readClass reads what append has written. What this version does not know is unknown, and a step that is none makes
// ports that cannot be predicted.
func readClass(b []byte) Class {
	c := Class{Type: TypeUnknown, Allocation: AllocationUnknown}
	if i := int(b[0]); i < len(types) {
		c.Type = types[i]
	}
	if i := int(b[1]); i < len(allocations) {
		c.Allocation = allocations[i]
	}
	if c.Allocation != Sequential {
		return c
	}
	if c.Step = int(int16(binary.BigEndian.Uint16(b[2:]))); c.Step == 0 || c.Step < -maxStep || c.Step > maxStep {
		c.Allocation, c.Step = Random, 0
	}
	return c
}

// blocked is whether no UDP gets through.
func (c Class) blocked() bool { return c.Type == TypeBlocked }

// known is whether discovery has told anything.
func (c Class) known() bool { return c.Type != "" && c.Type != TypeUnknown }

// Method is how two peers come together.
type Method string

// Methods.
const (
	MethodNone     Method = "none"     // not tried: it cannot work
	MethodProbe    Method = "probe"    // both send to where the other is seen, and answer what comes
	MethodPredict  Method = "predict"  // the ports that a symmetric NAT will choose are guessed
	MethodBirthday Method = "birthday" // many sockets behind the symmetric NAT, many ports tried from the other side
)

// Plan is how one side goes about it.
type Plan struct {
	Method Method
	// Hard says that our NAT is the symmetric one, HardPeer that the other's is; of use for MethodPredict and
	// MethodBirthday.
	Hard, HardPeer bool
	Reason         string // one sentence: why MethodNone
}

// Choose says how a peer of class own goes about reaching one of class peer. Both sides come to the same
// method.
func Choose(own, peer Class) Plan {
	p := Plan{Method: MethodProbe, Hard: own.Type == TypeNAT4, HardPeer: peer.Type == TypeNAT4}
	switch {
	case own.blocked():
		return Plan{Method: MethodNone, Reason: "UDP does not get through here."}
	case peer.blocked():
		return Plan{Method: MethodNone, Reason: "UDP does not get through at the other peer."}
	case p.Hard && p.HardPeer:
		if own.predictable() && peer.predictable() {
			p.Method = MethodPredict
			return p
		}
		return Plan{Method: MethodNone, Reason: "Both NATs are symmetric (NAT4), and the ports of at least one cannot be predicted."}
	case p.Hard && peer.picky():
		p.Method = own.guess()
	case p.HardPeer && own.picky():
		p.Method = peer.guess()
	}
	return p
}

// past is the plan for peers whose NATs do not let them come together, where the other may be reached past them, by
// an address inside of one network or by IPv6. Those are tried like all.
func (p Plan) past(own Class, r Remote) Plan {
	if p.Method != MethodNone || own.blocked() || r.Class.blocked() {
		return p
	}
	for _, c := range r.Candidates {
		if c.Kind == HostCandidate {
			p.Method = MethodProbe
		}
	}
	return p
}

// Possible tells whether two classes can come together at all.
func Possible(a, b Class) bool { return Choose(a, b).Method != MethodNone }

// picky is whether only exactly the addresses and ports that were sent to may send in.
func (c Class) picky() bool { return c.Type == TypeNAT3 || c.Type == TypeFirewall }

// predictable is whether a symmetric NAT's next port can be told from its last one.
func (c Class) predictable() bool { return c.Allocation == Sequential || c.Allocation == Preserving }

// reachable is whether everybody may send to it, once a mapping exists.
func (c Class) reachable() bool { return c.Type == TypeOpen || c.Type == TypeNAT1 }

func (c Class) guess() Method {
	if c.predictable() {
		return MethodPredict
	}
	return MethodBirthday
}

// Word is how a connection came about.
type Word string

// Words, best first.
const (
	WordLAN       Word = "lan"       // inside one network
	WordDirect    Word = "direct"    // one of the two may be sent to by anybody
	WordMapped    Word = "mapped"    // by a port mapping that a router was asked for
	WordPunched   Word = "punched"   // both opened their NATs by sending
	WordPredicted Word = "predicted" // by a port of a symmetric NAT that was guessed
)

// rank orders words, 0 is the best.
func (w Word) rank() int {
	for i, other := range [...]Word{WordLAN, WordDirect, WordMapped, WordPunched} {
		if w == other {
			return i
		}
	}
	return 4
}
