// SPDX-License-Identifier: GPL-3.0-or-later

package wire

// Types of the swarm's messages.
const (
	TypeSubscribe Type = 16 + iota
	TypeAccept
	TypeRefuse
	TypeUnsubscribe
	TypeHave
	TypeRequest
	TypeLack
	TypeHeartbeat
	TypePeers
)

// EpochTag is the low half of an epoch. It keeps what was said about one run
// of a source from being understood of another, at half the bytes.
type EpochTag uint32

// Tag returns the epoch's tag.
func (e Epoch) Tag() EpochTag { return EpochTag(e) }

// PathID is the first bytes of a peer id: enough to find oneself in a path.
type PathID [8]byte

// PathID returns the peer's name in paths.
func (id PeerID) PathID() PathID { return PathID(id[:8]) }

// parseSwarm reads the messages that the swarm's machine sends and understands.
func parseSwarm(t Type, r *reader) (Message, error) {
	switch t {
	case TypeSubscribe:
		return parseSubscribe(r)
	case TypeAccept:
		return parseAccept(r)
	case TypeRefuse:
		return parseRefuse(r)
	case TypeUnsubscribe:
		return parseUnsubscribe(r)
	case TypeHave:
		return parseHave(r)
	case TypeRequest:
		return parseRequest(r)
	case TypeLack:
		return parseLack(r)
	case TypeHeartbeat:
		return parseHeartbeat(r)
	case TypePeers:
		return parsePeers(r)
	}
	return nil, ErrMalformed
}
