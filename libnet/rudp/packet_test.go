// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"p2plive/libnet/rudp/internal/arq"
)

// testSegments are the bytes that a core sends for a message of at most one segment.
func testSegments(t testing.TB, msg []byte) []byte {
	t.Helper()
	core := testCore()
	core.Send(msg, 0)
	var b [arq.ShortLen + basePayload]byte
	n, _ := core.Next(1, b[:])
	if n == 0 {
		t.Fatal("the core sent nothing")
	}
	return b[:n]
}

func testCore() *arq.Core {
	return arq.New(arq.Config{MaxPayload: basePayload, RecvWindow: 200, MaxMessage: MaxMessage, Extended: true})
}

func TestFrames(t *testing.T) {
	segments := testSegments(t, []byte("hello"))
	b := segmentsFrame(7, segments)
	b = appendPing(b, framePing, 42)
	b = appendPing(b, framePong, 43)
	b = appendPing(b, frameChallenge, 44)
	b = appendPing(b, frameResponse, 45)
	b = appendPart(b, frameHead, 46, []byte("the first"))
	b = appendPart(b, frameTail, 46, []byte(" and the rest"))
	b = appendClose(b, 300, "enough")
	b = append(b, framePadding, 0xff, 0xff)

	want := []frame{
		{kind: frameSegments, channel: 7, body: segments},
		{kind: framePing, token: 42},
		{kind: framePong, token: 43},
		{kind: frameChallenge, token: 44},
		{kind: frameResponse, token: 45},
		{kind: frameHead, token: 46, body: []byte("the first")},
		{kind: frameTail, token: 46, body: []byte(" and the rest")},
		{kind: frameClose, code: 300, body: []byte("enough")},
		{kind: framePadding},
	}
	for i, w := range want {
		f, rest, err := nextFrame(b)
		if err != nil {
			t.Fatalf("frame %d: %v", i, err)
		}
		if f.kind != w.kind || f.channel != w.channel || !bytes.Equal(f.body, w.body) || f.token != w.token || f.code != w.code {
			t.Fatalf("frame %d = %+v, want %+v", i, f, w)
		}
		b = rest
	}
	if len(b) != 0 {
		t.Fatalf("%d bytes left", len(b))
	}
}

func TestFramesRefused(t *testing.T) {
	segments := testSegments(t, []byte("hello"))
	framed := func(change func(b []byte)) []byte {
		b := segmentsFrame(7, segments)
		change(b)
		return b
	}
	tell := make([]byte, arq.ShortLen+6) // with una and window
	tell[0] = arq.CmdTell
	if _, _, err := nextFrame(segmentsFrame(7, tell)); err != nil {
		t.Fatal(err)
	}
	tellMore := bytes.Clone(tell)
	tellMore[2] = 1
	tests := []struct {
		name string
		b    []byte
	}{
		{"unknown kind", []byte{0x55}},
		{"short segments header", []byte{frameSegments, 0}},
		{"no segments", []byte{frameSegments, 0, 7, 0, 0}},
		{"length beyond the end", framed(func(b []byte) { b[4]++ })},
		{"length within a segment", framed(func(b []byte) { b[4]-- })},
		{"unknown command", framed(func(b []byte) { b[5] = 80 })},
		{"segment length beyond the end", framed(func(b []byte) { b[5+2] = 6 })},
		{"segment length above 32 KiB", framed(func(b []byte) { b[5+3] = 0x80 })},
		{"window announcement without a window", segmentsFrame(7, tell[:len(tell)-2])},
		{"window announcement with data", segmentsFrame(7, append(tellMore, 'x'))},
		{"short challenge", []byte{frameChallenge, 1, 2, 3}},
		{"short ping", []byte{framePing, 0, 0, 0, 0, 0, 0, 0}},
		{"short part", []byte{frameHead, 0, 0, 0, 1, 0}},
		{"part beyond the end", []byte{frameTail, 0, 0, 0, 1, 0, 2, 'x'}},
		{"short close", []byte{frameClose, 0, 0, 0}},
		{"close reason beyond the end", []byte{frameClose, 0, 0, 0, 2, 'x'}},
		{"close reason too long", appendClose(nil, 0, strings.Repeat("x", MaxReason+1))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if f, _, err := nextFrame(tt.b); err == nil {
				t.Fatalf("accepted as %+v", f)
			}
		})
	}
}

func TestCutReason(t *testing.T) {
	for _, reason := range []string{"", "short", strings.Repeat("x", 300), strings.Repeat("é", 200), "x" + strings.Repeat("é", 200)} {
		got := cutReason(reason)
		if len(got) > MaxReason || !strings.HasPrefix(reason, got) || !utf8.ValidString(got) || len(got) < min(len(reason), MaxReason-3) {
			t.Errorf("cutReason of %d bytes gives %d bytes", len(reason), len(got))
		}
	}
}

// The filter must agree with a set that forgets nothing, for counters inside the window.
func TestReplayFilter(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var f replayFilter
	seen := make(map[uint64]bool)
	newest := uint64(0)
	for range 200_000 {
		var c uint64
		switch rnd.IntN(20) {
		case 0:
			c = newest + rnd.Uint64N(3*replayWindow)
		case 1:
			c = newest - min(newest, rnd.Uint64N(3*replayWindow))
		default:
			c = newest + 2 - min(newest, rnd.Uint64N(100))
		}
		want := !seen[c] && (c > newest || newest-c < replayWindow)
		if got := f.fresh(c); got != want {
			t.Fatalf("fresh(%d) = %v with newest %d, want %v", c, got, newest, want)
		}
		if want {
			f.accept(c)
			seen[c] = true
			newest = max(newest, c)
		}
	}
}

// The lower half of a counter gives the whole one, however many were lost or held up, and over the end of the half.
func TestWholeCounter(t *testing.T) {
	for _, next := range []uint64{0, 1, 1000, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32, 1<<32 + 5, 7<<32 + 1<<31, 1<<62 - 1} {
		f := replayFilter{next: next}
		for _, apart := range []uint64{0, 1, 2, replayWindow, 1 << epochBits, 1<<31 - 1} {
			if got := f.whole(uint32(next + apart)); got != next+apart {
				t.Errorf("%d after %d: %d", next+apart, next, got)
			}
			if apart > next {
				continue
			}
			if got := f.whole(uint32(next - apart)); got != next-apart {
				t.Errorf("%d after %d: %d", next-apart, next, got)
			}
		}
	}
}

func TestLimiter(t *testing.T) {
	now := time.Now()
	l := newLimiter(now)
	one := netip.MustParseAddr("192.0.2.1")
	count := func(from netip.Addr, n int) (allowed int) {
		for range n {
			if l.judge(from, true, now) == admitted {
				allowed++
			}
		}
		return allowed
	}
	if got := count(one, 1000); got != sourceBurst {
		t.Fatalf("one source got %d of its burst of %d", got, sourceBurst)
	}
	now = now.Add(time.Second)
	if got := count(one, 1000); got != sourceRate {
		t.Fatalf("one source got %d in a second, want %d", got, sourceRate)
	}
	// One customer's IPv6 addresses count as one.
	a, b := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::ffff:2")
	if got := count(a, 200) + count(b, 200); got != sourceBurst {
		t.Fatalf("a /64 got %d, want %d", got, sourceBurst)
	}
	now = now.Add(time.Minute)
	allowed := 0
	for i := range 20_000 {
		if l.judge(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), i%2 == 0, now) == admitted {
			allowed++
		}
	}
	if allowed > totalBurst {
		t.Fatalf("20,000 sources got %d, more than the total burst", allowed)
	}
	if len(l.sources) > maxSources {
		t.Fatalf("the table has %d sources", len(l.sources))
	}
	now = now.Add(time.Minute)
	if l.judge(one, true, now) != admitted || len(l.sources) > maxSources {
		t.Fatal("the table was not swept")
	}
}

func FuzzFrames(f *testing.F) {
	f.Add(segmentsFrame(7, testSegments(f, bytes.Repeat([]byte("x"), 2000))))
	f.Add(appendPing(nil, framePing, 1))
	f.Add(appendClose(appendPing(nil, framePong, 1), 1, "why"))
	f.Add(appendPart(appendPart(nil, frameHead, 1, []byte("x")), frameTail, 1, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		core := testCore()
		for len(b) > 0 {
			fr, rest, err := nextFrame(b)
			if err != nil {
				return
			}
			if len(rest) >= len(b) {
				t.Fatal("no progress")
			}
			if fr.kind == frameSegments && fr.channel == 7 {
				core.Input(1000, fr.body)
				core.AppendControl(nil, maxFrames)
				for core.Readable() {
					core.Recv()
				}
			}
			b = rest
		}
	})
}

func FuzzDatagramHeader(f *testing.F) {
	d := make([]byte, dataHeaderLen+tagLen)
	putDataHeader(d, 1, 2)
	f.Add(d)
	f.Add(appendHandshakeHeader(nil, typeInitiation, 3))
	f.Fuzz(func(t *testing.T, b []byte) {
		if foreign(b) {
			return
		}
		if to, counter, ok := parseDataHeader(b); ok {
			again := make([]byte, dataHeaderLen)
			putDataHeader(again, to, uint64(counter))
			if !bytes.Equal(again, b[:dataHeaderLen]) {
				t.Fatalf("%x written again is %x", b[:dataHeaderLen], again)
			}
		}
		for kind, length := range map[byte]int{typeInitiation: BaseDatagram, typeResponse: responseLen} {
			if id, ok := parseHandshakeHeader(b, kind, length); ok && !bytes.Equal(appendHandshakeHeader(nil, kind, id), b[:initHeaderLen]) {
				t.Fatalf("header %x does not come back", b[:initHeaderLen])
			}
		}
	})
}
