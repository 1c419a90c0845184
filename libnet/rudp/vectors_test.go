// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"p2plive/libnet/rudp/internal/arq"
)

var update = flag.Bool("update", false, "write testdata/vectors.json anew")

// hexBytes are hexadecimal digits in JSON.
type hexBytes []byte

func (b hexBytes) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(b)), nil }

// vectors are what docs/protocol.md refers to: a session from its first datagram to its last.
type vectors struct {
	Comment       string          `json:"comment"`
	Prologue      hexBytes        `json:"application_prologue"`
	Initiator     vectorPeer      `json:"initiator"`
	Responder     vectorPeer      `json:"responder"`
	Initiation    hexBytes        `json:"initiation"`
	Retry         hexBytes        `json:"retry"`
	Again         hexBytes        `json:"initiation_with_cookie"`
	Response      hexBytes        `json:"response"`
	HandshakeHash hexBytes        `json:"handshake_hash"`
	ToResponder   []hexBytes      `json:"keys_initiator_to_responder_by_epoch"`
	ToInitiator   []hexBytes      `json:"keys_responder_to_initiator_by_epoch"`
	Datagrams     []*vectorSealed `json:"datagrams"`
}

type vectorPeer struct {
	StaticPrivate    hexBytes `json:"static_private"`
	StaticPublic     hexBytes `json:"static_public"`
	PeerID           PeerID   `json:"peer_id"`
	EphemeralPrivate hexBytes `json:"ephemeral_private"`
	EphemeralPublic  hexBytes `json:"ephemeral_public"`
	ConnectionID     hexBytes `json:"connection_id"`
}

type vectorSealed struct {
	What     string   `json:"what"`
	From     string   `json:"from"`
	Counter  uint64   `json:"counter"`
	Frames   hexBytes `json:"frames"`
	Datagram hexBytes `json:"datagram"`
}

// TestVectors makes the session of the test vectors again. With -update it writes them.
func TestVectors(t *testing.T) {
	got, err := json.MarshalIndent(makeVectors(t), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	file := filepath.Join("testdata", "vectors.json")
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	gotLines, wantLines := bytes.Split(got, []byte("\n")), bytes.Split(want, []byte("\n"))
	for i := range min(len(gotLines), len(wantLines)) {
		if !bytes.Equal(gotLines[i], wantLines[i]) {
			t.Fatalf("line %d of %s:\n%s\nwant\n%s", i+1, file, gotLines[i], wantLines[i])
		}
	}
	if len(gotLines) != len(wantLines) {
		t.Fatalf("%s has %d lines, want %d", file, len(wantLines), len(gotLines))
	}
}

// counting gives n bytes that count up, for keys that everybody can see are no secret.
func counting(first byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = first + byte(i)
	}
	return b
}

func vectorIdentity(t *testing.T, private []byte) Identity {
	t.Helper()
	key, err := ecdh.X25519().NewPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return identityOf(key)
}

// withRandom makes the handshake in f take its ephemeral key from random. No other test runs at the same time.
func withRandom(random []byte, f func()) {
	genuine := rand.Reader
	defer func() { rand.Reader = genuine }()
	rand.Reader = bytes.NewReader(random)
	f()
}

const (
	vectorInitiator = connID(0x1112131415161718)
	vectorResponder = connID(0x2122232425262728)
	vectorChannel   = 7
)

func makeVectors(t *testing.T) *vectors {
	v := &vectors{
		Comment:  "A session of docs/protocol.md, version 2, from its first datagram to its last. Bytes in hexadecimal. The cookie is any.",
		Prologue: hexBytes("example network"),
	}
	mine, theirs := v.shake(t)
	s := &vectorSession{t: t, v: v}
	s.initiator = vectorSide{keys: mine, peer: vectorResponder, core: testCore()}
	s.responder = vectorSide{keys: theirs, peer: vectorInitiator, core: testCore()}
	s.talk()
	return v
}

// shake is the handshake; it gives both sides' keys.
func (v *vectors) shake(t *testing.T) (mine, theirs sessionKeys) {
	t.Helper()
	a, b := vectorIdentity(t, counting(0x01, 32)), vectorIdentity(t, counting(0x21, 32))
	ephemeralA, ephemeralB := counting(0x41, 32), counting(0x61, 32)
	var i *initiation
	var adm *admission
	var err error
	withRandom(ephemeralA, func() { i, err = newInitiation(a, v.Prologue, vectorInitiator, b.ID()) })
	if err != nil {
		t.Fatal(err)
	}
	v.Initiation = bytes.Clone(i.datagram)
	cookie := counting(0xa1, cookieLen)
	v.Retry = append(appendHandshakeHeader(nil, typeRetry, vectorInitiator), cookie...)
	copy(i.datagram[BaseDatagram-cookieLen:], cookie)
	v.Again = i.datagram

	withRandom(ephemeralB, func() {
		if adm, err = readInitiation(b, v.Prologue, v.Again); err == nil {
			v.Response, theirs, err = adm.respond(statusAccepted, vectorResponder)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	mine, remote, status, err := i.finish(v.Response)
	if err != nil || remote != vectorResponder || status != statusAccepted {
		t.Fatalf("finish: id %x, status %d, %v", remote, status, err)
	}
	v.HandshakeHash = i.state.ChannelBinding()
	peer := func(id Identity, ephemeral, public []byte, local connID) vectorPeer {
		name := id.ID()
		return vectorPeer{id.key.Private, name[:], name, ephemeral, public, binary.BigEndian.AppendUint64(nil, uint64(local))}
	}
	v.Initiator = peer(a, ephemeralA, v.Initiation[initHeaderLen:][:keyLen], vectorInitiator)
	v.Responder = peer(b, ephemeralB, v.Response[respHeaderLen:][:keyLen], vectorResponder)
	v.ToResponder, v.ToInitiator = epochKeys(t, mine.send), epochKeys(t, theirs.send)
	return mine, theirs
}

// epochKeys are the first keys of one direction.
func epochKeys(t *testing.T, k *keyChain) (keys []hexBytes) {
	t.Helper()
	chain, err := newKeyChain(k.secret)
	for range 3 {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, bytes.Clone(chain.secret[:]))
		err = chain.advance()
	}
	return keys
}

// vectorSession seals what one side says and opens it on the other one.
type vectorSession struct {
	t                    *testing.T
	v                    *vectors
	initiator, responder vectorSide
}

type vectorSide struct {
	keys    sessionKeys
	peer    connID // in datagrams to it
	counter uint64
	core    *arq.Core
}

func (s *vectorSession) seal(what, name string, from, to *vectorSide, frames []byte) {
	s.t.Helper()
	d := make([]byte, dataHeaderLen, BaseDatagram)
	d = from.keys.send.seal(append(d, frames...), from.peer, from.counter)
	s.v.Datagrams = append(s.v.Datagrams, &vectorSealed{what, name, from.counter, frames, d})
	opened, err := to.keys.recv.open(bytes.Clone(d), from.counter)
	if err != nil || !bytes.Equal(opened, frames) {
		s.t.Fatalf("%s: %v", what, err)
	}
	for rest := opened; len(rest) > 0; {
		if _, rest, err = nextFrame(rest); err != nil {
			s.t.Fatalf("%s: %v", what, err)
		}
	}
	from.counter++
}

func (s *vectorSession) initiatorSays(what string, frames []byte) {
	s.seal(what, "initiator", &s.initiator, &s.responder, frames)
}

func (s *vectorSession) responderSays(what string, frames []byte) {
	s.seal(what, "responder", &s.responder, &s.initiator, frames)
}

// segmentsFrame puts segments into a frame.
func segmentsFrame(id ChannelID, segments []byte) []byte {
	b := make([]byte, segmentsHeaderLen)
	putSegmentsHeader(b, id, len(segments))
	return append(b, segments...)
}

// next is the next data segment of a core.
func next(core *arq.Core, now arq.Time, room int) []byte {
	b := make([]byte, room)
	n, _ := core.Next(now, b)
	return b[:n]
}

// talk is one datagram of each kind.
func (s *vectorSession) talk() {
	sender, receiver := s.initiator.core, s.responder.core
	hear := func(core *arq.Core, now arq.Time, segments []byte) {
		s.t.Helper()
		if _, err := core.Input(now, segments); err != nil || len(segments) == 0 {
			s.t.Fatalf("segments %x: %v", segments, err)
		}
	}
	const full = arq.ShortLen + basePayload
	s.initiatorSays("ping", appendPing(nil, framePing, 0x0102030405060708))
	s.responderSays("pong, and a ping", appendPing(appendPing(nil, framePong, 0x0102030405060708), framePing, 0x1112131415161718))

	sender.Send([]byte("hello"), 0)
	hello := next(sender, 1_000_000, full)
	s.initiatorSays("a message on channel 7", segmentsFrame(vectorChannel, hello))
	sender.Send(counting(0, 1500), 0)
	first, second := next(sender, 1_000_100, full), next(sender, 1_000_200, full)
	s.initiatorSays("the first fragment of a message of 1500 bytes, counting up from 0", segmentsFrame(vectorChannel, first))
	s.initiatorSays("the second one, and padding", append(segmentsFrame(vectorChannel, second), framePadding, 0, 0, 0))

	hear(receiver, 5_000_000, hello)
	hear(receiver, 5_000_300, second)
	ack := receiver.AppendControl(nil, full)
	s.responderSays("acknowledgement: segments 0 and 2 have come", segmentsFrame(vectorChannel, ack))
	hear(sender, 1_050_000, ack)
	hear(receiver, 5_001_000, first)
	ack = receiver.AppendControl(nil, full)
	s.responderSays("acknowledgement: all have come", segmentsFrame(vectorChannel, ack))
	hear(sender, 1_060_000, ack)

	sender.Send([]byte("late"), 1_060_000)
	sender.Send([]byte("later"), 1_060_000)
	sender.Expire(1_060_000)
	sender.Send([]byte("after"), 0)
	marker := next(sender, 1_060_000, full)
	marker = append(marker, next(sender, 1_060_000, full)...)
	s.initiatorSays("a marker of two dropped messages, and a message", segmentsFrame(vectorChannel, marker))
	hear(receiver, 5_002_000, marker)
	s.checkReceived(receiver)
	receiver.AppendControl(nil, full)

	s.talkParity(hear)
	again := segmentsFrame(vectorChannel, hello)
	s.initiatorSays("the first message again: the first part of the frame", appendPart(nil, frameHead, 0, again[:20]))
	s.initiatorSays("the rest of it", appendPart(nil, frameTail, 0, again[20:]))

	// A question for the window: a header without a body.
	question := make([]byte, arq.ShortLen+6)
	question[0], question[arq.ShortLen+4] = arq.CmdAsk, 200
	s.initiatorSays("question for the window", segmentsFrame(vectorChannel, question))
	hear(receiver, 5_003_000, question)
	s.responderSays("announcement of the window", segmentsFrame(vectorChannel, receiver.AppendControl(nil, full)))

	s.responderSays("challenge, to the initiator's new address", appendPing(nil, frameChallenge, 0x2122232425262728))
	s.initiatorSays("response, from there", appendPing(nil, frameResponse, 0x2122232425262728))

	s.initiator.counter = 1 << epochBits
	s.initiatorSays("ping under the key of epoch 1", appendPing(nil, framePing, 0x3132333435363738))
	s.responder.counter = 1<<epochBits - 1
	s.responderSays("pong, the last datagram of epoch 0", appendPing(nil, framePong, 0x3132333435363738))
	s.responderSays("no frames, the first datagram of epoch 1", nil)
	s.initiator.counter = 2 << epochBits
	s.initiatorSays("close, under the key of epoch 2", appendClose(nil, 300, "enough"))
}

// talkParity is a segment that is lost, and found by a parity segment.
func (s *vectorSession) talkParity(hear func(*arq.Core, arq.Time, []byte)) {
	const full = arq.ShortLen + basePayload
	sender, receiver := s.initiator.core, s.responder.core
	sender.SetRedundancy(1)
	sender.Send([]byte("red"), 0)
	red, parity := next(sender, 1_100_000, full), next(sender, 1_100_000, full)
	s.initiatorSays("a message", segmentsFrame(vectorChannel, red))
	s.initiatorSays("the parity segment 0, which covers segments 3 to 5: the marker, and two messages", segmentsFrame(vectorChannel, parity))
	hear(receiver, 5_100_000, red)
	hear(receiver, 5_100_000, parity)
	ack := receiver.AppendControl(nil, full)
	hear(sender, 1_150_000, ack)

	sender.Send([]byte("green"), 0)
	sender.Send([]byte("blue"), 0)
	green := next(sender, 1_160_000, full)
	blue := next(sender, 1_160_000, full)
	s.initiatorSays("a message, which is lost", segmentsFrame(vectorChannel, green))
	s.initiatorSays("a message", segmentsFrame(vectorChannel, blue))
	parity = next(sender, 1_160_000, full)
	s.initiatorSays("the parity segment 1, which covers segments 6 and 7", segmentsFrame(vectorChannel, parity))
	hear(receiver, 5_160_000, blue)
	receiver.AppendControl(nil, full)
	hear(receiver, 5_160_000, parity)
	s.responderSays("acknowledgement: segment 6 was found", segmentsFrame(vectorChannel, receiver.AppendControl(nil, full)))
	for _, want := range []string{"red", "green", "blue"} {
		if data, _, _ := receiver.Recv(); string(data) != want {
			s.t.Fatalf("received %q, want %q", data, want)
		}
	}
}

func (s *vectorSession) checkReceived(core *arq.Core) {
	s.t.Helper()
	for _, want := range []struct {
		data    []byte
		skipped int
	}{{[]byte("hello"), 0}, {counting(0, 1500), 0}, {[]byte("after"), 2}} {
		data, skipped, _ := core.Recv()
		if !bytes.Equal(data, want.data) || skipped != want.skipped {
			s.t.Fatalf("received %x after %d dropped, want %x after %d", data, skipped, want.data, want.skipped)
		}
	}
}
