// SPDX-License-Identifier: GPL-3.0-or-later

package nat

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
)

// TestExplain: every result has a verdict that begins with its name and says with whom what works.
func TestExplain(t *testing.T) {
	seen := make(map[string]Result)
	for _, kind := range []Type{TypeUnknown, TypeOpen, TypeFirewall, TypeNAT1, TypeNAT2, TypeNAT3, TypeNAT4, TypeBlocked} {
		allocations := []Allocation{AllocationUnknown}
		if kind == TypeNAT4 {
			allocations = append(allocations, Preserving, Sequential, Random)
		}
		for _, allocation := range allocations {
			for _, filtering := range []Behaviour{AddressAndPortDependent, NotPortDependent} {
				for _, hairpin := range []Tristate{NotKnown, No, Yes} {
					r := Result{Type: kind, Filtering: filtering, Allocation: allocation, Hairpin: hairpin,
						Public: []netip.AddrPort{netip.MustParseAddrPort("203.0.113.1:1")}}
					text := r.Explain()
					name := strings.ToUpper(string(kind[:1])) + string(kind[1:])
					if kind == TypeNAT2 && filtering == NotPortDependent {
						name = "NAT1 or NAT2"
					}
					if !strings.HasPrefix(text, name) || !strings.HasSuffix(text, ".") || strings.Contains(text, "  ") {
						t.Errorf("%+v: %q", r, text)
					}
					if same, ok := seen[text]; ok && (same.Type != kind || same.Allocation != allocation) {
						t.Errorf("%+v and %+v have the same text", r, same)
					}
					seen[text] = r
				}
			}
		}
	}
}

func TestTristateJSON(t *testing.T) {
	got, err := json.Marshal([]Tristate{NotKnown, No, Yes})
	check(t, err)
	if string(got) != "[null,false,true]" {
		t.Errorf("%s", got)
	}
}
