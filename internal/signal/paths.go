// SPDX-License-Identifier: GPL-3.0-or-later

package signal

import (
	"fmt"
	"slices"

	"p2plive/internal/signal/signalpb"
	"p2plive/libnet/nat"
)

// Words for how a peer is reached, best first.
const (
	PathLAN       = string(nat.WordLAN)
	PathDirect    = string(nat.WordDirect)
	PathMapped    = string(nat.WordMapped)
	PathPunched   = string(nat.WordPunched)
	PathPredicted = string(nat.WordPredicted)
	PathEdge      = "edge"                // a server
	PathTunnel    = "edge over WebSocket" // a server, where UDP is blocked
)

// pathWords are by the numbers that they have in messages.
var pathWords = []string{"", PathLAN, PathDirect, PathMapped, PathPunched, PathPredicted, PathEdge, PathTunnel}

// Way is how a peer is reached, and why not better, in one sentence; empty where it could not be better.
type Way struct{ Path, Reason string }

// Connection is one session of a viewer.
type Connection struct {
	Peer PeerID
	Path string
}

// ServerWay is a path to an edge or a source, for a peer that is connected by a NAT of that type.
func ServerWay(path string, edgeOnly bool, own nat.Type) Way {
	switch {
	case path == PathTunnel:
		return Way{path, "No answer comes over UDP, so the data comes over the web port."}
	case edgeOnly:
		return Way{path, "Only edges are asked, as --edge-only says."}
	case own == nat.TypeNAT4:
		return Way{path, "The NAT here gives each peer another port (NAT4), so that few viewers can be reached."}
	}
	return Way{path, "An edge feeds the first viewers and gives what no viewer has in time."}
}

// ViewerWay is a path between two viewers, told by somebody else than the two.
func ViewerWay(path string, a, b nat.Type) Way {
	if b < a {
		a, b = b, a
	}
	switch path {
	case PathPunched:
		return Way{path, fmt.Sprintf("Neither side can be reached unasked (%s and %s).", a, b)}
	case PathPredicted:
		return Way{path, "A NAT on the way is symmetric (NAT4), so its port had to be guessed."}
	}
	return Way{Path: path}
}

func connectionMessages(list []Connection) []*signalpb.Connection {
	var out []*signalpb.Connection
	for _, c := range list[:min(len(list), MaxConnections)] {
		out = append(out, &signalpb.Connection{PeerId: c.Peer[:], Path: signalpb.Path(max(slices.Index(pathWords, c.Path), 0))})
	}
	return out
}

// Connections reads those of a report. Ones by a path that this version does not know are left out.
func Connections(in []*signalpb.Connection) ([]Connection, error) {
	if len(in) > MaxConnections {
		return nil, fmt.Errorf("%d connections", len(in))
	}
	var out []Connection
	for _, m := range in {
		peer, err := PeerIDFromBytes(m.GetPeerId())
		if err != nil {
			return nil, err
		}
		if n := int(m.GetPath()); n > 0 && n < len(pathWords) {
			out = append(out, Connection{peer, pathWords[n]})
		}
	}
	return out, nil
}
