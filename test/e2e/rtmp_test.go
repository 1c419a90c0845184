// SPDX-License-Identifier: GPL-3.0-or-later

package e2e

import (
	"crypto/rand"
	"net"
	"testing"
	"time"

	"p2plive/test/e2e/proc"
)

// TestHostilePublishers connects to the source's RTMP port what is no
// broadcaster, and broadcasters that vanish. Each next one is taken.
func TestHostilePublishers(t *testing.T) {
	t.Parallel()
	rtmp := proc.FreeAddr(t)
	n := checked(t).network("rtmp://" + rtmp)
	v := n.viewer("viewer", n.link)

	rubbish := make([]byte, 64<<10)
	_, _ = rand.Read(rubbish) // never fails
	handshake := append([]byte{3}, make([]byte, 1536)...)
	knock(t, rtmp, nil)
	knock(t, rtmp, rubbish)
	knock(t, rtmp, handshake)
	knock(t, rtmp, append(handshake, rubbish...))
	for range 5 { // these stay and say nothing
		defer dial(t, rtmp).Close()
	}

	first := publish(t, rtmp)
	v.awaitPlaying(t, time.Now(), playTime)
	first.Kill()
	v.await(t, time.Now(), startTime, "has nothing to play", func() func(status) bool {
		before := int64(-1)
		return func(s status) bool {
			quiet := s.FragmentsPlayed == before
			before = s.FragmentsPlayed
			return quiet
		}
	}())

	knock(t, rtmp, append(handshake, rubbish...))
	second := publish(t, rtmp)
	v.awaitPlaying(t, time.Now(), playTime)

	// A second broadcaster at the same time must not disturb the first.
	third := publish(t, rtmp)
	third.Wait(startTime) // refused
	v.awaitPlaying(t, time.Now(), startTime)
	if !second.Running() {
		t.Error("the broadcaster that was there was thrown out")
	}
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, startTime)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// knock connects, sends something and goes.
func knock(t *testing.T, addr string, send []byte) {
	t.Helper()
	conn := dial(t, addr)
	defer conn.Close()
	_, _ = conn.Write(send) // the source may have closed already
}
