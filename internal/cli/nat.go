// SPDX-License-Identifier: GPL-3.0-or-later

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"text/tabwriter"
	"time"

	"p2plive/internal/peer"
	"p2plive/internal/signal"
	"p2plive/libnet/nat"
	"p2plive/libnet/rudp"
)

type natCmd struct {
	Tracker  trackerURL `help:"Address of the tracker, like http://tracker.example:7000." required:"" placeholder:"URL"`
	Lifetime bool       `help:"Also measure how long the NAT keeps a mapping that is not used; takes up to 15 minutes."`
	JSON     bool       `name:"json" help:"Print one JSON object to standard output."`
}

func (natCmd) Help() string {
	return `It asks the tracker's UDP ports as a viewer does (STUN, RFC 5780), which takes about 2 seconds, and says what the NAT does and with whom direct connections work. Where only an edge can be reached, streams still play.

Examples:

    p2plive nat --tracker http://tracker.example:7000
    p2plive nat --tracker http://tracker.example:7000 --json`
}

// natReport is the verdict for programs. What was not found out is "unknown", null
// or left out.
type natReport struct {
	Type           nat.Type         `json:"type"`
	Mapping        nat.Behaviour    `json:"mapping"`
	Filtering      nat.Behaviour    `json:"filtering"`
	Public         string           `json:"public"`      // for the tracker; empty: unknown
	PublicSeen     []netip.AddrPort `json:"public_seen"` // by all of the tracker's addresses and ports
	Local          string           `json:"local"`
	PortPreserving nat.Tristate     `json:"port_preserving"`
	Hairpin        nat.Tristate     `json:"hairpin"`
	Allocation     nat.Allocation   `json:"allocation"`
	Step           int              `json:"step,omitempty"` // of a sequential allocation
	RTTMS          float64          `json:"rtt_ms"`
	LifetimeS      *natLifetime     `json:"mapping_lifetime_s,omitempty"`
	Explanation    string           `json:"explanation"`
}

// natLifetime is in seconds. AtMost is 0 where the mapping outlived the search.
type natLifetime struct {
	AtLeast float64 `json:"at_least"`
	AtMost  float64 `json:"at_most,omitempty"`
}

// Run asks the tracker and prints.
func (c *natCmd) Run(ctx context.Context, w *world) (err error) {
	hello, err := signal.AskHello(ctx, string(c.Tracker))
	if err != nil {
		return fmt.Errorf("%s: %w", c.Tracker, err)
	}
	if hello.TrackerUDP == "" {
		return fmt.Errorf("%s: the tracker has no UDP port to ask", c.Tracker)
	}
	identity, err := rudp.NewIdentity()
	if err != nil {
		return err
	}
	host, err := peer.Listen("", peer.HostConfig{Identity: identity, Logger: w.log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, host.Close("done")) }()
	result, err := host.DiscoverNAT(ctx, hello.TrackerUDP)
	if err != nil {
		return err
	}
	report := newNATReport(result, host.LocalAddr())
	if c.Lifetime && result.Type != nat.TypeBlocked {
		lifetime, err := host.MappingLifetime(ctx, hello.TrackerUDP)
		if err != nil {
			return err
		}
		report.LifetimeS = &natLifetime{lifetime.Min.Seconds(), lifetime.Max.Seconds()}
	}
	if c.JSON {
		return printJSON(w.stdout, report)
	}
	return report.print(w.stdout)
}

func newNATReport(r nat.Result, local netip.AddrPort) natReport {
	report := natReport{
		Type: r.Type, Mapping: r.Mapping, Filtering: r.Filtering, PublicSeen: r.Public, Local: local.String(),
		PortPreserving: r.PortPreserving, Hairpin: r.Hairpin, Allocation: r.Allocation, Step: r.Step,
		RTTMS: float64(r.RTT) / float64(time.Millisecond), Explanation: r.Explain(),
	}
	if len(r.Public) > 0 {
		report.Public = r.Public[0].String()
	} else {
		report.PublicSeen = []netip.AddrPort{}
	}
	return report
}

// print writes the verdict for people: what it means, then what was found.
func (r natReport) print(w io.Writer) error {
	allocation := string(r.Allocation)
	if r.Step != 0 {
		allocation = fmt.Sprintf("%s, by %d", allocation, r.Step)
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "%s\n\n", r.Explanation)
	rows := [][2]string{{"type", string(r.Type)}}
	if r.Type != nat.TypeBlocked {
		rows = append(rows, [][2]string{
			{"public address", r.Public},
			{"mapping", string(r.Mapping)},
			{"filtering", string(r.Filtering)},
			{"keeps the local port", r.PortPreserving.String()},
			{"port allocation", allocation},
			{"hairpinning", r.Hairpin.String()},
			{"round trip", fmt.Sprintf("%.1f ms", r.RTTMS)},
		}...)
	}
	if l := r.LifetimeS; l != nil && l.AtMost == 0 {
		rows = append(rows, [2]string{"mapping lifetime", fmt.Sprintf("more than %.0f s", l.AtLeast)})
	} else if l != nil {
		rows = append(rows, [2]string{"mapping lifetime", fmt.Sprintf("%.0f to %.0f s", l.AtLeast, l.AtMost)})
	}
	for _, row := range rows {
		fmt.Fprintf(table, "%s\t%s\n", row[0], row[1])
	}
	return table.Flush()
}
