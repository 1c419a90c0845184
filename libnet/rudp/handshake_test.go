// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"bytes"
	"testing"
)

// shake runs a whole handshake and gives the keys of both sides.
func shake(t testing.TB, a, b Identity) (i *initiation, response []byte, ib sessionKeys) {
	t.Helper()
	i, err := newInitiation(a, nil, 77, b.ID())
	if err != nil {
		t.Fatal(err)
	}
	if len(i.datagram) != BaseDatagram {
		t.Fatalf("initiation of %d bytes", len(i.datagram))
	}
	adm, err := readInitiation(b, nil, i.datagram)
	if err != nil {
		t.Fatal(err)
	}
	if adm.peer != a.ID() || adm.initiator != 77 {
		t.Fatalf("responder saw %v, id %d", adm.peer, adm.initiator)
	}
	response, ib, err = adm.respond(statusAccepted, 88)
	if err != nil {
		t.Fatal(err)
	}
	if len(response) != responseLen {
		t.Fatalf("response of %d bytes, want %d", len(response), responseLen)
	}
	return i, response, ib
}

func TestHandshakeKeysFit(t *testing.T) {
	i, response, kb := shake(t, newIdentity(t), newIdentity(t))
	ka, remote, status, err := i.finish(response)
	if err != nil || remote != 88 || status != statusAccepted {
		t.Fatalf("finish: id %d, status %d, %v", remote, status, err)
	}
	for _, way := range []struct{ from, to *keyChain }{{ka.send, kb.recv}, {kb.send, ka.recv}} {
		d := append(make([]byte, dataHeaderLen, BaseDatagram), "frames"...)
		d = way.from.seal(d, 5, 1234)
		for at := range d { // header and ciphertext are both under the seal
			bad := bytes.Clone(d)
			bad[at] ^= 1
			if _, counter, ok := parseDataHeader(bad); ok {
				if _, err := way.to.open(bad, uint64(counter)); err == nil {
					t.Fatalf("a datagram changed at byte %d was accepted", at)
				}
			}
		}
		if got, err := way.to.open(d, 1234); err != nil || string(got) != "frames" {
			t.Fatalf("open = %q, %v", got, err)
		}
	}
}

func TestInitiationRefused(t *testing.T) {
	a, b := newIdentity(t), newIdentity(t)
	good, err := newInitiation(a, nil, 77, b.ID())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := readInitiation(newIdentity(t), nil, good.datagram); err == nil {
		t.Error("an initiation to another key was accepted")
	}
	if _, err := readInitiation(b, []byte("another network"), good.datagram); err == nil {
		t.Error("an initiation with another prologue was accepted")
	}
	for at := 0; at < len(good.datagram)-cookieLen; at += 7 { // the cookie has its own check
		bad := bytes.Clone(good.datagram)
		bad[at] ^= 0x80
		if _, ok := parseHandshakeHeader(bad, typeInitiation, BaseDatagram); !ok {
			continue
		}
		if _, err := readInitiation(b, nil, bad); err == nil {
			t.Errorf("an initiation changed at byte %d was accepted", at)
		}
	}
}

// Whoever sees the initiation can answer it first with rubbish; the genuine response must still count.
func TestGenuineResponseAfterForgedOnes(t *testing.T) {
	i, response, _ := shake(t, newIdentity(t), newIdentity(t))
	var forged [][]byte
	for _, at := range []int{respHeaderLen, respHeaderLen + keyLen, responseLen - 1} {
		bad := bytes.Clone(response)
		bad[at] ^= 1
		forged = append(forged, bad)
	}
	lowOrder := bytes.Clone(response)
	clear(lowOrder[respHeaderLen : respHeaderLen+keyLen])
	forged = append(forged, lowOrder)
	_, other, _ := shake(t, newIdentity(t), newIdentity(t))
	forged = append(forged, other)
	for n, f := range forged {
		if _, _, _, err := i.finish(f); err == nil {
			t.Fatalf("forged response %d was accepted", n)
		}
	}
	if _, _, _, err := i.finish(response); err != nil {
		t.Fatalf("the genuine response was refused: %v", err)
	}
}

func FuzzInitiation(f *testing.F) {
	a, b := newIdentity(f), newIdentity(f)
	good, err := newInitiation(a, nil, 1, b.ID())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good.datagram)
	f.Fuzz(func(t *testing.T, d []byte) {
		if _, ok := parseHandshakeHeader(d, typeInitiation, BaseDatagram); !ok {
			return
		}
		if adm, err := readInitiation(b, nil, d); err == nil && adm.peer != a.ID() {
			t.Fatal("an initiation of an unknown peer verified")
		}
	})
}

func FuzzResponse(f *testing.F) {
	a, b := newIdentity(f), newIdentity(f)
	_, response, _ := shake(f, a, b)
	f.Add(response)
	pending, err := newInitiation(a, nil, 77, b.ID())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, d []byte) {
		if _, ok := parseHandshakeHeader(d, typeResponse, responseLen); !ok {
			return
		}
		if _, _, _, err := pending.finish(d); err == nil {
			t.Fatal("a response to another initiation verified")
		}
	})
}
