// SPDX-License-Identifier: GPL-3.0-or-later

package cli

import (
	"context"

	"p2plive/internal/edge"
)

type edgeCmd struct {
	Tracker      trackerURL   `help:"Address of the tracker, like http://tracker.example:7000." required:"" placeholder:"URL"`
	UDP          listenAddr   `name:"udp" help:"UDP address for all sessions with peers." default:":7100"`
	HTTP         listenAddr   `name:"http" help:"HTTP address for browsers and players that come without p2plive, and for health checks." default:":7180"`
	TrustedProxy []ipNetwork  `help:"Address or network of a reverse proxy before --http, which is believed who its clients are (X-Forwarded-For). Repeat it for several." placeholder:"CIDR"`
	EdgeKeyFile  string       `help:"File with the edge key that the tracker asks for." placeholder:"FILE"`
	PublicAddr   []publicAddr `help:"UDP address under which peers reach this edge, if it is not the one the tracker sees, as behind a port forwarding. Repeat it for IPv4 and IPv6." placeholder:"HOST:PORT"`
	UploadLimit  bitRate      `help:"Most that is sent to sources, edges and viewers over sessions, in bits per second, like 500M or 2G; 0 is no limit. Viewers that the swarm cannot take wait in a queue then." default:"0" placeholder:"RATE"`
	PublicURL    string       `name:"public-url" help:"Address under which browsers reach --http, as behind a TLS proxy; else the host peers use, with the port of --http." placeholder:"URL"`
}

func (edgeCmd) Help() string {
	return `An edge takes each stream once from its source, keeps the newest seconds, feeds the first viewers and rescues pieces that no viewer can give in time. It needs a public UDP port. Several edges may serve one tracker.

Examples:

    p2plive edge --tracker http://tracker.example:7000 --edge-key-file edge.key
    p2plive edge --tracker http://tracker.example:7000 --udp :7100 --public-addr 203.0.113.7:7100
    p2plive edge --tracker http://tracker.example:7000 --upload-limit 500M`
}

// Run serves until ctx ends.
func (c *edgeCmd) Run(ctx context.Context, w *world) error {
	cfg := edge.Config{
		Tracker:        string(c.Tracker),
		UDP:            string(c.UDP),
		HTTP:           string(c.HTTP),
		PublicURL:      c.PublicURL,
		UploadLimit:    int64(c.UploadLimit),
		TrustedProxies: proxies(c.TrustedProxy),
		Logger:         w.log,
	}
	for _, addr := range c.PublicAddr {
		cfg.PublicAddrs = append(cfg.PublicAddrs, string(addr))
	}
	var err error
	if cfg.EdgeKey, err = readKeyFile(c.EdgeKeyFile, w.log); err != nil {
		return err
	}
	e, err := edge.New(cfg)
	if err != nil {
		return err
	}
	w.log.Info("edge is up", "udp", e.UDPAddr(), "http", e.HTTPAddr())
	return e.Serve(ctx)
}
