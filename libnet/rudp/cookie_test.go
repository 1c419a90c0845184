// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"encoding/binary"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"p2plive/libnet/simnet"
)

// spoofer is a socket whose datagrams seem to come from anywhere. What is sent back there goes nowhere.
type spoofer struct {
	net.PacketConn
	rnd   *rand.Rand
	every int // datagrams delivered for one that is spoofed before it
	text  []byte
	n     int
}

func (s *spoofer) ReadFrom(b []byte) (int, net.Addr, error) {
	s.n++
	if s.n%s.every != 0 {
		binary.BigEndian.PutUint64(s.text[initHeaderLen:], s.rnd.Uint64())
		addr := netip.AddrFrom4([4]byte{10, byte(s.rnd.Uint32()), byte(s.rnd.Uint32()), byte(s.rnd.Uint32())})
		return copy(b, s.text), net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 1000)), nil
	}
	return s.PacketConn.ReadFrom(b)
}

// Under a flood of initiations from spoofed addresses, those who receive at theirs still get their session, the responder
// computes few of the others, keeps nothing of them, and sends less than it gets.
func TestHandshakeFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		defer w.close()
		d, err := newInitiation(newIdentity(t), nil, 1, newIdentity(t).ID())
		if err != nil {
			t.Fatal(err)
		}
		_, pc := w.host(simnet.Link{}, simnet.Link{})
		b := start(t, &spoofer{PacketConn: pc, rnd: rand.New(rand.NewPCG(1, 1)), every: 2000, text: d.datagram}, nil)
		w.all = append(w.all, b)
		a, _ := w.endpoint(near, nil)
		for range 5 {
			time.Sleep(100 * time.Millisecond)
			connect(t, a, b)
		}
		s := b.Stats()
		if s.CookiesAsked < 5000 || s.Unauthentic > 2*calmBurst || s.BytesOut > s.BytesIn/10 || s.Accepted != 5 {
			t.Errorf("%+v", s)
		}
		b.mu.RLock()
		defer b.mu.RUnlock()
		if n := len(b.initiations); n > 2*calmBurst {
			t.Errorf("%d initiations are remembered", n)
		}
	})
}

func TestCookies(t *testing.T) {
	now := time.Now()
	k := newCookies(now)
	from := netip.MustParseAddrPort("192.0.2.1:5000")
	d := make([]byte, BaseDatagram)
	d[20] = 7
	if k.valid(d, from, now) {
		t.Error("no cookie is valid")
	}
	retry := k.retry(d, from, now)
	if _, ok := parseHandshakeHeader(retry, typeRetry, retryLen); !ok {
		t.Errorf("%x", retry)
	}
	copy(d[BaseDatagram-cookieLen:], retry[retryLen-cookieLen:])
	for _, tt := range []struct {
		name  string
		after time.Duration
		from  string
		want  bool
	}{
		{"at once", 0, "192.0.2.1:5000", true},
		{"a little later", cookieTime, "192.0.2.1:5000", true},
		{"much later", 3 * cookieTime, "192.0.2.1:5000", false},
		{"another address", 0, "192.0.2.2:5000", false},
		{"another port", 0, "192.0.2.1:5001", false},
	} {
		if got := k.valid(d, netip.MustParseAddrPort(tt.from), now.Add(tt.after)); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
	d[20]++
	if k.valid(d, from, now) {
		t.Error("the cookie is good for another initiation")
	}
}

// Keys change by count and by time, also while datagrams are lost and overtake one another.
func TestKeysAreRenewed(t *testing.T) {
	i, response, kb := shake(t, newIdentity(t), newIdentity(t))
	ka, _, _, err := i.finish(response)
	if err != nil {
		t.Fatal(err)
	}
	sealed := func(counter uint64) []byte {
		return ka.send.seal(append(make([]byte, dataHeaderLen, BaseDatagram), "frames"...), 5, counter)
	}
	open := func(d []byte) error {
		_, counter, _ := parseDataHeader(d)
		_, err := kb.recv.open(d, uint64(counter))
		return err
	}
	const epoch = 1 << epochBits
	late := sealed(epoch - 1)
	first := ka.send.current
	for _, counter := range []uint64{epoch, epoch + 5, 2*epoch - 1} {
		if err := open(sealed(counter)); err != nil {
			t.Fatal(counter, err)
		}
	}
	if ka.send.current == first || ka.send.secret != kb.recv.secret {
		t.Error("the key is the same")
	}
	if err := open(late); err != nil {
		t.Error("a datagram of the last key:", err)
	}
	forged := sealed(2 * epoch)
	forged[30] ^= 1
	if open(forged) == nil || kb.recv.epoch != 1 {
		t.Error("a forged datagram advanced the key")
	}
	if err := open(sealed(2*epoch + 9)); err != nil || kb.recv.epoch != 2 {
		t.Error(err)
	}
	if open(late) == nil {
		t.Error("the first key is still good")
	}
}

func TestSessionRenewsKeys(t *testing.T) {
	pair(t, near, nil, func(t *testing.T, ca, cb *Conn) {
		ctx := ctxFor(t, 2*time.Hour)
		for n := range 6 {
			time.Sleep(10 * time.Minute)
			sent := sendNumbered(ctx, ca.Channel(1), 50, 5000)
			if err := recvNumbered(ctx, cb.Channel(1), 50, 5000); err != nil {
				t.Fatal(n, err)
			}
			<-sent
		}
		ca.mu.Lock()
		defer ca.mu.Unlock()
		if e := ca.keys.send.epoch; e < 5 || e > 6 {
			t.Errorf("epoch %d after an hour", e)
		}
	})
}
