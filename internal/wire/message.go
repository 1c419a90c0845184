// SPDX-License-Identifier: GPL-3.0-or-later

package wire

import (
	"encoding/binary"
)

// ProtocolVersion is spoken in Hello. Peers of another version are refused.
const ProtocolVersion = 2

// MaxMessage bounds an encoded message of any type.
const MaxMessage = 64<<10 - 1

// Type is the first byte of every message between peers.
type Type uint8

// Types of messages. Those from TypeSubscribe on belong to the swarm.
const (
	TypeHello Type = 1 + iota
	TypeCatalog
	TypePiece
)

// Message is one message between peers.
type Message interface {
	// Type returns the message's first byte.
	Type() Type
	// append adds the message's fields, without its type.
	append(b []byte) []byte
}

// Append appends the encoding of m.
func Append(b []byte, m Message) []byte { return m.append(append(b, byte(m.Type()))) }

// Parse reads one message. It keeps b: the caller must not change it after.
func Parse(b []byte) (Message, error) {
	if len(b) == 0 || len(b) > MaxMessage {
		return nil, ErrMalformed
	}
	r := reader{b: b[1:]}
	switch Type(b[0]) {
	case TypeHello:
		return parseHello(&r)
	case TypeCatalog:
		return parseSignedCatalog(&r)
	case TypePiece:
		return parsePieceMessage(&r)
	}
	return parseSwarm(Type(b[0]), &r)
}

// Hello opens a session, from both sides: which stream it is about, in which
// role, and by which right.
type Hello struct {
	Version uint8
	Role    Role
	Stream  StreamID
	Ticket  []byte // issued by the tracker, opaque here; may be empty
	// EdgeOnly: the peer takes the stream from edges only, and its address is not to be told to anybody.
	EdgeOnly bool
}

// flagEdgeOnly is Hello's EdgeOnly. Other bits are ignored.
const flagEdgeOnly = 1

const maxTicket = 512

// Type implements Message.
func (*Hello) Type() Type { return TypeHello }

func (m *Hello) append(b []byte) []byte {
	b = append(b, m.Version, byte(m.Role))
	b = append(b, m.Stream[:]...)
	b = appendBytes(b, m.Ticket)
	if m.EdgeOnly {
		return append(b, flagEdgeOnly)
	}
	return append(b, 0)
}

func parseHello(r *reader) (Message, error) {
	m := &Hello{Version: r.u8(), Role: Role(r.u8()), Stream: r.id(), Ticket: r.bytes(maxTicket)}
	m.EdgeOnly = r.u8()&flagEdgeOnly != 0
	if err := r.end(); err != nil || !m.Role.Valid() {
		return nil, ErrMalformed
	}
	return m, nil
}

// SignedCatalog is a catalog with the source's signature over its bytes.
type SignedCatalog struct {
	Bytes     []byte // as AppendCatalog wrote them
	Signature [SignatureSize]byte
}

// Type implements Message.
func (*SignedCatalog) Type() Type { return TypeCatalog }

func (m *SignedCatalog) append(b []byte) []byte {
	b = appendBytes(b, m.Bytes)
	return append(b, m.Signature[:]...)
}

func parseSignedCatalog(r *reader) (Message, error) {
	m := &SignedCatalog{Bytes: r.bytes(MaxCatalog)}
	copy(m.Signature[:], r.take(SignatureSize))
	if err := r.end(); err != nil {
		return nil, err
	}
	return m, nil
}

// Via says why a piece was sent.
type Via uint8

// Reasons for a piece to be sent.
const (
	Push   Via = iota // down a substream's tree
	Repair            // asked of a neighbour
	Rescue            // asked of an edge shortly before its deadline
)

// PieceMessage carries a piece.
type PieceMessage struct {
	Via   Via
	Piece *Piece
}

// Type implements Message.
func (*PieceMessage) Type() Type { return TypePiece }

func (m *PieceMessage) append(b []byte) []byte {
	return append(append(b, byte(m.Via)), m.Piece.raw...)
}

func parsePieceMessage(r *reader) (Message, error) {
	m := &PieceMessage{Via: Via(r.u8())}
	if r.bad || m.Via > Rescue {
		return nil, ErrMalformed
	}
	var err error
	if m.Piece, err = ParsePiece(r.b); err != nil {
		return nil, err
	}
	return m, nil
}

func appendSeq(b []byte, s Seq) []byte { return binary.BigEndian.AppendUint32(b, uint32(s)) }
