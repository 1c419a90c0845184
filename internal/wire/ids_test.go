// SPDX-License-Identifier: GPL-3.0-or-later

package wire

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestIDText(t *testing.T) {
	id := PeerID{0xff, 1, 2, 31: 3}
	text := id.String()
	if len(text) != 52 || text != strings.ToLower(text) || !strings.HasPrefix(text, id.Short()) {
		t.Errorf("%q, short %q", text, id.Short())
	}
	for _, s := range []string{text, strings.ToUpper(text)} {
		if got, err := ParsePeerID(s); err != nil || got != id {
			t.Errorf("%q parsed as %v, %v", s, got, err)
		}
	}
	if got, err := ParseStreamID(StreamID(id).String()); err != nil || got != StreamID(id) {
		t.Errorf("stream parsed as %v, %v", got, err)
	}
	b, err := json.Marshal(map[string]any{"peer": id, "stream": StreamID(id)})
	if want := `{"peer":"` + text + `","stream":"` + text + `"}`; err != nil || string(b) != want {
		t.Errorf("JSON is %s, %v, want %s", b, err, want)
	}
	for _, s := range []string{"", "x", text[1:], text + "a", "1" + text[1:], strings.Repeat("=", 52)} {
		if _, err := ParsePeerID(s); !errors.Is(err, ErrBadID) {
			t.Errorf("%q: %v", s, err)
		}
		if _, err := ParseStreamID(s); !errors.Is(err, ErrBadID) {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func TestRole(t *testing.T) {
	for role, want := range map[Role]string{RoleSource: "source", RoleEdge: "edge", RoleViewer: "viewer"} {
		if !role.Valid() || role.String() != want {
			t.Errorf("%d is %q, valid %v", role, role, role.Valid())
		}
	}
	for _, role := range []Role{0, 4, 255} {
		if role.Valid() {
			t.Errorf("%v is valid", role)
		}
	}
}

// TestSubstream shows that neighbouring pieces and fragments go different ways.
func TestSubstream(t *testing.T) {
	for k := uint8(1); k <= MaxSubstreams; k++ {
		seen := map[Substream]bool{}
		for i := range uint16(k) {
			s := PieceID{1, 9, i}.Substream(k)
			if s >= Substream(k) || seen[s] {
				t.Errorf("k %d: piece %d goes to %d", k, i, s)
			}
			seen[s] = true
		}
		if a, b := (PieceID{1, 9, 0}).Substream(k), (PieceID{1, 10, 0}).Substream(k); k > 1 && a == b {
			t.Errorf("k %d: two fragments in a row go to %d", k, a)
		}
	}
	// Where each fragment has two pieces, each of six substreams has one in three fragments.
	last := [6]Seq{}
	for seq := Seq(0); seq < 30; seq++ {
		for i := range uint16(2) {
			s := PieceID{1, seq, i}.Substream(6)
			if gap := seq - last[s]; seq > 5 && gap != 3 {
				t.Errorf("substream %d: fragment %d comes %d after the last", s, seq, gap)
			}
			last[s] = seq
		}
	}
	if s := (PieceID{1, 9, 9}).Substream(0); s != 0 {
		t.Errorf("without substreams a piece goes to %d", s)
	}
}

func TestPathID(t *testing.T) {
	id := PeerID{1, 2, 3, 4, 5, 6, 7, 8, 9}
	if got := id.PathID(); got != (PathID{1, 2, 3, 4, 5, 6, 7, 8}) {
		t.Errorf("path id %x", got)
	}
	if got := Epoch(0x1_2345_6789).Tag(); got != 0x2345_6789 {
		t.Errorf("tag %x", got)
	}
}
