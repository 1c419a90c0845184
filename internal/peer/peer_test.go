// SPDX-License-Identifier: GPL-3.0-or-later

package peer

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"p2plive/internal/live"
	"p2plive/internal/wire"
	"p2plive/libnet/rudp"
	"p2plive/libnet/simnet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// player is an Output that keeps all it is given.
type player struct {
	mu        sync.Mutex
	catalog   *wire.Catalog
	fragments []*live.Fragment
	missed    int
}

func (p *player) SetCatalog(c *wire.Catalog) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.catalog = c
}

func (p *player) Publish(f *live.Fragment) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fragments = append(p.fragments, f)
}

func (p *player) Missed(wire.TrackID, wire.Seq) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.missed++
}

func (p *player) seqs(track wire.TrackID) []wire.Seq {
	p.mu.Lock()
	defer p.mu.Unlock()
	var seqs []wire.Seq
	for _, f := range p.fragments {
		if f.Track == track {
			seqs = append(seqs, f.Seq)
		}
	}
	return seqs
}

// member is one peer of the test's network.
type member struct {
	host  *Host
	swarm *Swarm
	out   *player
	info  wire.PeerInfo
}

// world is a network with one stream.
type world struct {
	t      *testing.T
	net    *simnet.Network
	signer *live.Signer
	hosts  byte
	bad    []wire.PeerID // that were reported
	mu     sync.Mutex
}

var testLink = simnet.Link{Delay: 5 * time.Millisecond, Rate: 50_000_000}

func newWorld(t *testing.T) *world {
	w := &world{t: t, net: simnet.New(1)}
	w.signer = live.NewSigner(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{3}, ed25519.SeedSize)))
	t.Cleanup(func() { w.net.Close() })
	return w
}

// socket gives a new host of the network with a socket on it.
func (w *world) socket() *simnet.Conn {
	w.t.Helper()
	w.hosts++
	h, err := w.net.Host(netip.AddrFrom4([4]byte{10, 0, 0, w.hosts}), testLink, testLink)
	if err != nil {
		w.t.Fatal(err)
	}
	conn, err := h.ListenPacket(1000)
	if err != nil {
		w.t.Fatal(err)
	}
	return conn.(*simnet.Conn)
}

func (w *world) join(role wire.Role) *member { return w.joinAs(role, func(*HostConfig) {}) }

// joinAs is join with a host of the test's own making.
func (w *world) joinAs(role wire.Role, change func(*HostConfig)) *member {
	w.t.Helper()
	identity, err := rudp.NewIdentity()
	if err != nil {
		w.t.Fatal(err)
	}
	hostConfig := HostConfig{Conn: w.socket(), Identity: identity, Logger: slog.New(slog.DiscardHandler)}
	change(&hostConfig)
	host, err := NewHost(hostConfig)
	if err != nil {
		w.t.Fatal(err)
	}
	m := &member{host: host, out: &player{}}
	cfg := SwarmConfig{
		Stream: w.signer.Stream(), Role: role, Output: m.out,
		ReportBad: func(peer wire.PeerID, _ []byte) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.bad = append(w.bad, peer)
		},
	}
	cfg.Machine.Seed = uint64(w.hosts)
	if role == wire.RoleSource {
		cfg.Signer = w.signer
	}
	if m.swarm, err = host.Join(cfg); err != nil {
		w.t.Fatal(err)
	}
	m.info = wire.PeerInfo{ID: host.ID(), Role: role, Addrs: []netip.AddrPort{host.LocalAddr()}}
	return m
}

func (m *member) know(others ...*member) {
	var infos []wire.PeerInfo
	for _, o := range others {
		infos = append(infos, o.info)
	}
	_ = m.swarm.Introduce(infos)
}

// broadcast publishes n frames of 1 to 40 kB at 25 a second, and audio.
func (w *world) broadcast(source *member, n int) {
	w.t.Helper()
	c := &wire.Catalog{Stream: w.signer.Stream(), Epoch: 1, Version: 1, Tracks: []wire.Track{
		{ID: 1, Kind: wire.Video, Substreams: 4, Codec: "avc1.64001f", Timescale: 1000, Bitrate: 1_000_000},
		{ID: 2, Kind: wire.Audio, Substreams: 2, Codec: "mp4a.40.2", Timescale: 1000, Bitrate: 128_000},
	}}
	if err := source.swarm.PublishCatalog(c); err != nil {
		w.t.Fatal(err)
	}
	for i := range n {
		size := 3000 + 37*i%2000
		if i%25 == 0 {
			size = 40_000
		}
		w.publish(source, 1, i, i%25 == 0, 40, size)
		if i%2 == 0 {
			w.publish(source, 2, i/2, true, 80, 1280)
		}
		time.Sleep(40 * time.Millisecond)
	}
	ended := *c
	ended.Version, ended.Ended = 2, true
	if err := source.swarm.PublishCatalog(&ended); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) publish(source *member, track wire.TrackID, seq int, key bool, ms, size int) {
	w.t.Helper()
	err := source.swarm.Publish(&live.Fragment{
		Epoch: 1, Track: track, Seq: wire.Seq(seq), Key: key, Base: uint64(seq * ms), Duration: uint32(ms),
		Wall: time.Now().UnixMilli(), Data: bytes.Repeat([]byte{byte(seq), byte(track)}, size/2),
	})
	if err != nil {
		w.t.Error(err)
	}
}

// check asserts that a member has played all fragments from its first on,
// whole and in order, up to the last.
func (m *member) check(t *testing.T, name string, track wire.TrackID, last wire.Seq) {
	t.Helper()
	seqs := m.out.seqs(track)
	if len(seqs) == 0 {
		t.Fatalf("%s played nothing of track %d", name, track)
	}
	for i, seq := range seqs {
		if seq != seqs[0]+wire.Seq(i) {
			t.Fatalf("%s: track %d: fragment %d follows %d", name, track, seq, seqs[max(i-1, 0)])
		}
	}
	if got := seqs[len(seqs)-1]; got != last {
		t.Errorf("%s: track %d ends with fragment %d, want %d", name, track, got, last)
	}
	m.out.mu.Lock()
	defer m.out.mu.Unlock()
	for _, f := range m.out.fragments {
		if f.Data[0] != byte(f.Seq) || f.Data[1] != byte(f.Track) {
			t.Fatalf("%s: fragment %d of track %d has other bytes", name, f.Seq, f.Track)
		}
	}
}

func closeAll(members ...*member) {
	for _, m := range members {
		m.host.Close("the test is over")
	}
}

func TestViewersFeedViewers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		source, edge := w.join(wire.RoleSource), w.join(wire.RoleEdge)
		source.know(edge)
		var viewers []*member
		for range 8 {
			v := w.join(wire.RoleViewer)
			v.know(append([]*member{edge}, viewers...)...)
			viewers = append(viewers, v)
		}
		const frames = 500
		w.broadcast(source, frames)
		time.Sleep(2 * time.Second)
		var peers, edges, pieces, duplicates uint64
		for i, v := range viewers {
			name := fmt.Sprintf("viewer %d", i)
			v.check(t, name, 1, frames-1)
			v.check(t, name, 2, frames/2-1)
			st := v.swarm.Stats()
			peers, edges = peers+st.BytesFromPeers, edges+st.BytesFromEdges
			pieces, duplicates = pieces+st.Pieces, duplicates+st.Duplicates
			if st.FragmentsMissed != 0 || st.Stalls != 0 || st.Malformed != 0 || st.BadPieces != 0 {
				t.Errorf("%s: %d missed, %d stalls, %d malformed, %d bad",
					name, st.FragmentsMissed, st.Stalls, st.Malformed, st.BadPieces)
			}
			t.Logf("%s: latency p50 %d p95 %d ms, %d sessions", name,
				st.Latency.Percentile(.5), st.Latency.Percentile(.95), len(st.Sessions))
		}
		if offload := float64(peers) / float64(peers+edges); offload < 0.7 {
			t.Errorf("only %.2f of the bytes came from viewers", offload)
		}
		if duplicates*100 > pieces {
			t.Errorf("%d of %d pieces came twice", duplicates, pieces)
		}
		closeAll(append(viewers, edge, source)...)
	})
}

// impostor is a peer that speaks the protocol by hand.
func (w *world) impostor(ctx context.Context, to *member, role wire.Role) (*rudp.Endpoint, *rudp.Conn) {
	w.t.Helper()
	identity, err := rudp.NewIdentity()
	if err != nil {
		w.t.Fatal(err)
	}
	e, err := rudp.Listen(w.socket(), rudp.Config{Identity: identity})
	if err != nil {
		w.t.Fatal(err)
	}
	conn, err := e.Dial(ctx, to.info.Addrs[0], rudp.PeerID(to.info.ID))
	if err != nil {
		w.t.Fatal(err)
	}
	hello := &wire.Hello{Version: wire.ProtocolVersion, Role: role, Stream: w.signer.Stream()}
	if err := sendHello(conn, hello); err != nil {
		w.t.Fatal(err)
	}
	if _, err := receiveHello(ctx, conn); err != nil {
		w.t.Fatal(err)
	}
	return e, conn
}

func TestBadSignature(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		source, edge, viewer := w.join(wire.RoleSource), w.join(wire.RoleEdge), w.join(wire.RoleViewer)
		source.know(edge)
		viewer.know(edge)
		attacker, conn := w.impostor(t.Context(), viewer, wire.RoleViewer)
		other := live.NewSigner(ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)))
		forged, err := other.Split(&live.Fragment{Epoch: 1, Track: 1, Seq: 100, Key: true, Data: []byte("forged")})
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			time.Sleep(3 * time.Second)
			_ = conn.Channel(1).TrySend(wire.Append(nil, &wire.PieceMessage{Piece: forged[0]}))
		}()
		const frames = 250
		w.broadcast(source, frames)
		time.Sleep(2 * time.Second)
		viewer.check(t, "viewer", 1, frames-1)
		if st := viewer.swarm.Stats(); st.BadPieces != 1 || st.FragmentsMissed != 0 {
			t.Errorf("%d bad pieces, %d missed", st.BadPieces, st.FragmentsMissed)
		}
		if closed, ok := errors.AsType[*rudp.CloseError](conn.Err()); !ok || closed.Reason != "bad signature" {
			t.Errorf("the attacker's session ended with: %v", conn.Err())
		}
		if len(w.bad) != 1 || w.bad[0] != wire.PeerID(attacker.ID()) {
			t.Errorf("reported: %v", w.bad)
		}
		// It is not let in again.
		again, err := attacker.Dial(t.Context(), viewer.info.Addrs[0], rudp.PeerID(viewer.info.ID))
		if err != nil {
			t.Fatal(err)
		}
		_ = sendHello(again, &wire.Hello{Version: wire.ProtocolVersion, Role: wire.RoleViewer, Stream: w.signer.Stream()})
		<-again.Done()
		attacker.Close()
		closeAll(viewer, edge, source)
	})
}

func TestRubbish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		source, edge, viewer := w.join(wire.RoleSource), w.join(wire.RoleEdge), w.join(wire.RoleViewer)
		source.know(edge)
		viewer.know(edge)
		attacker, conn := w.impostor(t.Context(), viewer, wire.RoleViewer)
		go func() {
			for i := range 2 * maxMalformed {
				_ = conn.Channel(rudp.ChannelID(i % 3)).TrySend(bytes.Repeat([]byte{byte(i)}, 1+i))
				time.Sleep(10 * time.Millisecond)
			}
		}()
		const frames = 100
		w.broadcast(source, frames)
		time.Sleep(2 * time.Second)
		viewer.check(t, "viewer", 1, frames-1)
		if conn.Err() == nil {
			t.Error("a peer that sends nothing but rubbish is kept")
		}
		attacker.Close()
		closeAll(viewer, edge, source)
	})
}

func TestGreeting(t *testing.T) {
	for name, first := range map[string][]byte{
		"other version": wire.Append(nil, &wire.Hello{Version: 99, Role: wire.RoleViewer}),
		"other stream":  wire.Append(nil, &wire.Hello{Version: wire.ProtocolVersion, Role: wire.RoleViewer}),
		"not a hello":   {200, 1, 2, 3},
		"silence":       nil,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				edge := w.join(wire.RoleEdge)
				identity, _ := rudp.NewIdentity()
				e, err := rudp.Listen(w.socket(), rudp.Config{Identity: identity})
				if err != nil {
					t.Fatal(err)
				}
				conn, err := e.Dial(t.Context(), edge.info.Addrs[0], rudp.PeerID(edge.info.ID))
				if err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				if first != nil {
					_ = conn.Channel(controlChannel).TrySend(first)
				}
				<-conn.Done()
				if d := time.Since(start); d > helloTimeout+time.Second {
					t.Errorf("let go after %v", d)
				}
				t.Log(conn.Err())
				e.Close()
				closeAll(edge)
			})
		})
	}
}

// A line that acknowledgements fill has no room for pieces, but for a Hello: else its
// viewer would find no other parent.
func TestGreetingOverAFullLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		edge, viewer := w.join(wire.RoleEdge), w.join(wire.RoleViewer)
		viewer.host.endpoint.SetUploadBudget(0) // as if acknowledgements had taken all that there was
		start := time.Now()
		ss, err := viewer.host.dial(t.Context(), viewer.swarm, edge.info)
		if err != nil {
			t.Errorf("after %v: %v", time.Since(start), err)
		} else {
			ss.conn.Close("the test is over")
		}
		closeAll(viewer, edge)
	})
}

func TestBothDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		source, edge := w.join(wire.RoleSource), w.join(wire.RoleEdge)
		source.know(edge)
		a, b := w.join(wire.RoleViewer), w.join(wire.RoleViewer)
		a.know(edge, b)
		b.know(edge, a)
		const frames = 100
		w.broadcast(source, frames)
		time.Sleep(2 * time.Second)
		a.check(t, "a", 1, frames-1)
		b.check(t, "b", 1, frames-1)
		closeAll(a, b, edge, source)
	})
}
