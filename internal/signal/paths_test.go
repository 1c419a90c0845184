// SPDX-License-Identifier: GPL-3.0-or-later

package signal

import (
	"slices"
	"strings"
	"testing"

	"p2plive/internal/signal/signalpb"
	"p2plive/libnet/nat"
)

func TestConnections(t *testing.T) {
	var list []Connection
	for i, word := range pathWords[1:] {
		list = append(list, Connection{PeerID{byte(i)}, word})
	}
	got, err := Connections(connectionMessages(list))
	if err != nil || !slices.Equal(got, list) {
		t.Errorf("%v, %v", got, err)
	}
	if n := len(connectionMessages(make([]Connection, MaxConnections+1))); n != MaxConnections {
		t.Errorf("%d are sent", n)
	}
	for name, tt := range map[string]struct {
		in    []*signalpb.Connection
		wrong bool
	}{
		"too many":         {make([]*signalpb.Connection, MaxConnections+1), true},
		"no id":            {[]*signalpb.Connection{{Path: 1}}, true},
		"of another time":  {[]*signalpb.Connection{{PeerId: make([]byte, idSize), Path: 99}}, false},
		"below all others": {[]*signalpb.Connection{{PeerId: make([]byte, idSize), Path: -1}}, false},
	} {
		if got, err := Connections(tt.in); (err != nil) != tt.wrong || len(got) != 0 {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

// Where a path could be better, one plain sentence says why it is not.
func TestReasons(t *testing.T) {
	types := []nat.Type{nat.TypeUnknown, nat.TypeOpen, nat.TypeNAT3, nat.TypeNAT4}
	for _, path := range pathWords[1:] {
		for _, a := range types {
			for _, b := range types {
				w := ViewerWay(path, a, b)
				if path == PathEdge || path == PathTunnel {
					w = ServerWay(path, a == b, a)
				} else if w != ViewerWay(path, b, a) {
					t.Errorf("%s: another reason from the other side", path)
				}
				better := path == PathLAN || path == PathDirect || path == PathMapped
				sentence := strings.HasSuffix(w.Reason, ".") || strings.HasSuffix(w.Reason, ").")
				if w.Path != path || better != (w.Reason == "") || !better && (!sentence || strings.Contains(w.Reason, "\n")) {
					t.Errorf("%+v", w)
				}
			}
		}
	}
}
