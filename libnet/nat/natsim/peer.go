// SPDX-License-Identifier: GPL-3.0-or-later

package natsim

import (
	"net/netip"
	"time"

	"p2plive/libnet/nat"
	"p2plive/libnet/simnet"
)

// The session's handshake is played by two datagrams of its size.
const (
	initiation    = 0x04
	response      = 0x05
	initiationLen = 1232
	dialAgain     = 200 * time.Millisecond
)

// peer is one side.
type peer struct {
	w         *world
	kind      Kind
	host      *simnet.Host
	public    netip.Addr
	sockets   []*simnet.Conn // 0: that of the sessions
	fresh     []*simnet.Conn
	id        nat.PeerKey
	key       nat.RequestKey
	requester *nat.Requester
	canTTL    bool
	other     *peer

	delivered uint64 // datagrams, to the sockets
	attempt   nat.AttemptID
	puncher   *nat.Puncher
	asked     time.Duration
	wake      time.Duration
	path      *nat.PunchPath
	adopted   map[int]bool
	unproved  map[netip.AddrPort]int
}

func newPeer(w *world, i int, kind Kind, canTTL, elsewhere bool) (*peer, error) {
	p := &peer{w: w, kind: kind, canTTL: canTTL, adopted: map[int]bool{0: true}, unproved: make(map[netip.AddrPort]int)}
	p.id[0], p.key.Tag[0], p.key.Key[0] = byte(i+1), byte(i+1), byte(i+1)
	public := netip.AddrFrom4([4]byte{203, 0, byte(113 + i), 10})
	p.public = public
	var err error
	if kind.NAT == nil {
		p.host, err = w.net.Host(public, w.line(), w.line())
	} else {
		err = p.behind(public)
	}
	if err != nil {
		return nil, err
	}
	main, err := listen(p.host, peerPort)
	if err != nil {
		return nil, err
	}
	p.sockets = []*simnet.Conn{main}
	p.requester = nat.NewRequester(p.key)
	observed := public
	if kind.NAT != nil && kind.NAT.Firewall {
		observed = p.host.Addr()
	}
	if elsewhere {
		observed = netip.IPv6LinkLocalAllNodes() // any other
	}
	w.meet.Join(nat.Party{ID: p.id, Key: p.key, Observed: observed, Class: kind.Class})
	return p, nil
}

// behind puts the peer behind its NAT, with a neighbour who uses it too.
func (p *peer) behind(public netip.Addr) error {
	box, err := p.w.net.NAT(public, *p.kind.NAT, p.w.line(), p.w.line())
	if err != nil {
		return err
	}
	inside := netip.AddrFrom4([4]byte{192, 168, 7, 2})
	if p.kind.NAT.Firewall {
		inside = netip.AddrFrom4([4]byte{public.As4()[0], 1, public.As4()[2], 2})
	}
	if p.host, err = box.Host(inside, simnet.Link{}, simnet.Link{}); err != nil {
		return err
	}
	if p.kind.NAT.Firewall {
		return nil
	}
	neighbour, err := box.Host(inside.Next(), simnet.Link{}, simnet.Link{})
	if err != nil {
		return err
	}
	var flow func()
	flow = func() {
		if pc, err := listen(neighbour, 0); err == nil {
			pc.WriteToUDPAddrPort([]byte{0}, trackerAddr)
			pc.Close()
		}
		p.w.after(time.Duration(p.w.rng.ExpFloat64()*float64(newFlows)), flow)
	}
	p.w.after(time.Duration(p.w.rng.ExpFloat64()*float64(newFlows)), flow)
	return nil
}

// greet is what asking for the public address leaves behind: a mapping towards the tracker.
func (p *peer) greet() { p.sockets[0].WriteToUDPAddrPort([]byte{0}, trackerAddr) }

// spoil sends to the other unasked, as a session does whose NAT has forgotten it.
func (p *peer) spoil() {
	p.sockets[0].WriteToUDPAddrPort([]byte{0}, netip.AddrPortFrom(p.other.public, peerPort))
}

func (p *peer) begin(attempt nat.AttemptID, asker bool, ev nat.PunchEvent) {
	p.attempt, p.asked = attempt, p.w.net.Now()
	p.puncher = nat.NewPuncher(nat.PunchConfig{
		Secret: []byte("of the two"), Self: p.id, Peer: p.other.id, Attempt: attempt, Asker: asker,
		Own: p.kind.Class, CanTTL: p.canTTL, Seed: p.w.rng.Uint64(),
	})
	p.handle(ev)
}

// relay takes what the tracker tells.
func (p *peer) relay(r nat.Relay) {
	remote := nat.Remote{Seen: r.Seen, Class: r.Class}
	switch r.Kind {
	case nat.RelayWanted:
		p.begin(r.Attempt, false, nat.PunchWanted{Remote: remote})
	case nat.RelayGo:
		p.handle(nat.PunchGo{Remote: remote})
	case nat.RelayRefused:
		p.handle(nat.PunchRefused{Reason: r.Reason})
	}
}

func (p *peer) handle(ev nat.PunchEvent) {
	for _, cmd := range p.puncher.Handle(p.w.net.Now(), ev) {
		p.do(cmd)
	}
}

func (p *peer) do(cmd nat.PunchCommand) {
	switch c := cmd.(type) {
	case nat.SendProbe:
		p.sendProbe(c)
	case nat.SendRequest:
		p.request(c)
	case nat.OpenSockets:
		for range c.N {
			pc, err := p.anyPort()
			if err != nil {
				break
			}
			p.sockets = append(p.sockets, pc)
		}
		p.handle(nat.PunchSockets{N: len(p.sockets) - 1})
	case nat.Adopt:
		p.adopted[c.Socket] = true
	case nat.PathFound:
		if p.path == nil && p == p.w.peers[0] {
			p.path = &c.Path
			p.dial(dialAgain)
		}
	case nat.PunchOver:
		if p == p.w.peers[0] && p.path == nil {
			p.finish(Outcome{Reason: c.Reason})
		}
	case nat.Wake:
		p.wake = c.At
	}
}

func (p *peer) sendProbe(c nat.SendProbe) {
	p.unproved[c.To]++
	if c.TTL > 0 {
		p.sockets[c.Socket].WriteToTTL(c.Data, c.To, c.TTL)
	} else {
		p.sockets[c.Socket].WriteToUDPAddrPort(c.Data, c.To)
	}
}

func (p *peer) request(c nat.SendRequest) {
	from := p.sockets[c.Socket]
	if c.Fresh {
		if len(p.fresh) == 0 { // a repetition comes from the same
			if pc, err := p.anyPort(); err == nil {
				p.fresh = append(p.fresh, pc)
			}
		}
		from = p.fresh[0]
	}
	from.WriteToUDPAddrPort(p.requester.Request(p.attempt, p.other.id, p.kind.Class, nat.Cookie{}), trackerAddr)
}

// anyPort opens a further socket, at a port that the neighbour hardly has.
func (p *peer) anyPort() (pc *simnet.Conn, err error) {
	for range 10 {
		if pc, err = listen(p.host, uint16(32768+p.w.rng.IntN(16384))); err == nil {
			return pc, nil
		}
	}
	return nil, err
}

// reply shows the cookie that the tracker demands.
func (p *peer) reply(on *simnet.Conn, b []byte) {
	if cookie, ok := p.requester.Cookie(b); ok {
		on.WriteToUDPAddrPort(p.requester.Request(p.attempt, p.other.id, p.kind.Class, cookie), trackerAddr)
	}
}

// dial sends the initiation until it is answered.
func (p *peer) dial(again time.Duration) {
	b := make([]byte, initiationLen)
	b[0] = initiation
	p.sockets[p.path.Socket].WriteToUDPAddrPort(b, p.path.Addr)
	p.w.after(again, func() { p.dial(2 * again) })
}

func (p *peer) finish(o Outcome) {
	if p.w.outcome != nil {
		return
	}
	o.Time = p.w.net.Now() - p.asked
	for _, side := range p.w.peers {
		if side.puncher != nil {
			o.Probes += side.puncher.Stats().Sent
		}
		for _, n := range side.unproved {
			o.Most = max(o.Most, n)
		}
	}
	p.w.outcome = &o
}

// read takes what has come to the sockets.
func (p *peer) read(buf []byte) {
	delivered := p.host.Stats().Delivered
	if delivered == p.delivered { // hundreds of sockets are not asked for nothing
		return
	}
	p.delivered = delivered
	for _, pc := range p.fresh {
		for n, _, ok := pc.TryRead(buf); ok; n, _, ok = pc.TryRead(buf) {
			p.reply(pc, buf[:n])
		}
	}
	for i := 0; i < len(p.sockets); i++ {
		pc := p.sockets[i]
		for n, from, ok := pc.TryRead(buf); ok; n, from, ok = pc.TryRead(buf) {
			p.receive(i, buf[:n], from)
		}
	}
}

func (p *peer) receive(socket int, b []byte, from netip.AddrPort) {
	if attempt, ok := nat.ProbeAttempt(b); ok {
		if p.puncher != nil && attempt == p.attempt {
			p.handle(nat.PunchHeard{Socket: socket, From: from, Data: b})
		}
		return
	}
	if _, ok := nat.IsReply(b); ok {
		p.reply(p.sockets[socket], b)
		return
	}
	switch {
	case len(b) == initiationLen && b[0] == initiation && p.adopted[socket]:
		p.sockets[socket].WriteToUDPAddrPort([]byte{response}, from)
	case len(b) == 1 && b[0] == response && p.path != nil && from == p.path.Addr:
		p.finish(Outcome{OK: true, Path: *p.path})
	}
}
