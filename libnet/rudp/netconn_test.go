// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"context"
	"io"
	"net"
	"testing"

	"golang.org/x/net/nettest"
)

func TestNetConn(t *testing.T) {
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		a, b := loopback(t, nil), loopback(t, nil)
		ca, cb := connect(t, a, b)
		c1, c2 = ca.Channel(1).NetConn(), cb.Channel(1).NetConn()
		return c1, c2, func() {
			c1.Close()
			c2.Close()
			a.Close()
			b.Close()
		}, nil
	})
}

// All that was written before Close is read, then EOF; the session lives on.
func TestNetConnEnds(t *testing.T) {
	pair(t, near, nil, func(t *testing.T, ca, cb *Conn) {
		out, in := ca.Channel(1).NetConn(), cb.Channel(1).NetConn()
		written := make(chan error, 1)
		go func() {
			_, err := out.Write(numbered(1, 3<<20))
			out.Close()
			written <- err
		}()
		got, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		if err := checkNumbered(got, 1, 3<<20); err != nil {
			t.Fatal(err)
		}
		if err := <-written; err != nil {
			t.Fatal(err)
		}
		if _, err := out.Write([]byte("x")); err == nil {
			t.Error("a closed stream was written")
		}
		if err := ca.Channel(2).Send(context.Background(), []byte("still here")); err != nil {
			t.Error(err)
		}
		if m, err := cb.Recv(context.Background()); err != nil || m.Channel != 2 {
			t.Error(m, err)
		}
		ca.Close("done")
		if _, err := cb.Channel(3).NetConn().Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("after the end of the session: %v", err)
		}
	})
}
