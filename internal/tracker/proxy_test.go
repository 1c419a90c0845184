// SPDX-License-Identifier: GPL-3.0-or-later

package tracker

import (
	"net/http"
	"net/netip"
	"testing"

	"github.com/coder/websocket"
	"google.golang.org/protobuf/proto"

	"p2plive/internal/forwarded"
	"p2plive/internal/signal"
	"p2plive/internal/signal/signalpb"
)

// TestTrustedProxy: behind a proxy that it trusts the tracker sees each client's own address, and otherwise only who
// has connected.
func TestTrustedProxy(t *testing.T) {
	for want, trusted := range map[string]forwarded.Proxies{
		"127.0.0.1":    nil,
		"198.51.100.1": {netip.MustParsePrefix("127.0.0.0/8")},
	} {
		tr, stop := serve(t, Config{TrustedProxies: trusted})
		ws, _, err := websocket.Dial(t.Context(), tr.url()+signal.ConnectPath, &websocket.DialOptions{
			HTTPHeader: http.Header{"X-Forwarded-For": {"198.51.100.1"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		_, b, err := ws.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var m signalpb.ServerMessage
		if err := proto.Unmarshal(b, &m); err != nil {
			t.Fatal(err)
		}
		if got := m.GetHello().GetObservedIp(); got != want {
			t.Errorf("trusting %v the tracker sees %s", trusted, got)
		}
		ws.CloseNow()
		stop()
	}
}
