// SPDX-License-Identifier: GPL-3.0-or-later

package cli

import (
	"context"
	"errors"
	"net"
	"net/netip"

	"p2plive/internal/tracker"
)

type trackerCmd struct {
	Listen         listenAddr  `help:"HTTP address for peers, pages, the JSON API and metrics." default:":7000"`
	UDP            listenAddr  `name:"udp" help:"UDP address that tells peers their public address (STUN); the next port is used too, to tell them how their NATs behave." default:":3478"`
	UDPAlt         ipAddr      `name:"udp-alt" help:"A second IP address of this host for --udp, with which peers learn more about their NATs; --udp must name the first." placeholder:"ADDRESS"`
	TrustedProxy   []ipNetwork `help:"Address or network of a reverse proxy before --listen, which is believed who its clients are (X-Forwarded-For). Repeat it for several." placeholder:"CIDR"`
	EdgeKeyFile    string      `help:"File with the key that edges must know; without it anybody can register an edge." placeholder:"FILE"`
	PublishKeyFile string      `help:"File with the key that sources must know; without it anybody can publish." placeholder:"FILE"`
	Strategy       string      `help:"Which edge a peer is given: random, min_workload (the least busy that has the stream) or edge_nodes (the least busy of all)." enum:"random,min_workload,edge_nodes" default:"random"`
}

func (trackerCmd) Help() string {
	return `A tracker knows who is in which stream and introduces peers to each other. No media passes through it. Its page lists the live streams; http://HOST:7000/s/NAME is the link of a stream.

Examples:

    p2plive tracker
    p2plive tracker --edge-key-file edge.key --publish-key-file publish.key
    p2plive tracker --udp 203.0.113.7:3478 --udp-alt 203.0.113.8
    head -c 32 /dev/urandom | base64 > edge.key; chmod 600 edge.key`
}

// Validate is called by kong.
func (c *trackerCmd) Validate() error {
	if c.UDPAlt == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(string(c.UDP))
	if err != nil {
		return err
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		return errors.New("--udp-alt needs --udp to name the first address, like --udp 203.0.113.7:3478")
	}
	return nil
}

// Run serves until ctx ends.
func (c *trackerCmd) Run(ctx context.Context, w *world) error {
	cfg := tracker.Config{
		Listen:         string(c.Listen),
		UDP:            string(c.UDP),
		UDPAlt:         string(c.UDPAlt),
		TrustedProxies: proxies(c.TrustedProxy),
		Strategy:       tracker.Strategy(c.Strategy),
		Logger:         w.log,
	}
	var err error
	if cfg.EdgeKey, err = readKeyFile(c.EdgeKeyFile, w.log); err != nil {
		return err
	}
	if cfg.PublishKey, err = readKeyFile(c.PublishKeyFile, w.log); err != nil {
		return err
	}
	t, err := tracker.New(cfg)
	if err != nil {
		return err
	}
	w.log.Info("tracker is up", "http", t.HTTPAddr(), "udp", t.UDPAddr())
	return t.Serve(ctx)
}
