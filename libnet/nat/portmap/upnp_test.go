// SPDX-License-Identifier: GPL-3.0-or-later

package portmap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// gateway is a UPnP router on loopback: SSDP on a UDP port, description and control by HTTP.
type gateway struct {
	http *httptest.Server
	ssdp net.PacketConn

	location string // what its answer to a search names; default: where it is
	control  string // the control URL in the description
	external string
	faults   []int // of AddPortMapping, one after another

	mu     sync.Mutex
	ports  map[string]string // external port to internal client, port and lease
	served sync.WaitGroup
}

func newGateway(t *testing.T, change func(*gateway)) *gateway {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gateway{ssdp: conn, control: "/control", external: public.Addr().String(), ports: make(map[string]string)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /root.xml", g.describe)
	mux.HandleFunc("POST /control", g.act)
	g.http = httptest.NewServer(mux)
	g.location = g.http.URL + "/root.xml"
	change(g)
	g.served.Go(g.answerSearches)
	t.Cleanup(func() { g.http.Close(); conn.Close(); g.served.Wait() })
	return g
}

func (g *gateway) answerSearches() {
	b := make([]byte, 2048)
	for {
		n, from, err := g.ssdp.ReadFrom(b)
		if err != nil {
			return
		}
		if strings.HasPrefix(string(b[:n]), "M-SEARCH * HTTP/1.1\r\n") {
			fmt.Fprintf(writerTo{g.ssdp, from}, "HTTP/1.1 200 OK\r\nLOCATION: %s\r\nST: igd\r\n\r\n", g.location)
		}
	}
}

type writerTo struct {
	net.PacketConn
	to net.Addr
}

func (w writerTo) Write(b []byte) (int, error) { return w.WriteTo(b, w.to) }

func (g *gateway) describe(w http.ResponseWriter, _ *http.Request) {
	fmt.Fprintf(w, `<?xml version="1.0"?><root xmlns="urn:schemas-upnp-org:device-1-0"><device>
<deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1</deviceType><deviceList><device><serviceList><service>
<serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType><serviceId>urn:upnp-org:serviceId:WANIPConn1</serviceId>
<controlURL>%s</controlURL></service></serviceList></device></deviceList></device></root>`, g.control)
}

func (g *gateway) act(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	arg := func(name string) string {
		m := regexp.MustCompile("<" + name + ">(.*)</" + name + ">").FindSubmatch(body)
		if m == nil {
			return ""
		}
		return string(m[1])
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	_, action, _ := strings.Cut(strings.Trim(r.Header.Get("SOAPACTION"), `"`), "#")
	result := ""
	switch action {
	case "GetExternalIPAddress":
		result = "<NewExternalIPAddress>" + g.external + "</NewExternalIPAddress>"
	case "AddPortMapping":
		if len(g.faults) > 0 {
			w.WriteHeader(http.StatusInternalServerError)
			fmt.Fprintf(w, `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault><faultcode>s:Client</faultcode>`+
				`<faultstring>UPnPError</faultstring><detail><UPnPError><errorCode>%d</errorCode></UPnPError></detail></s:Fault></s:Body></s:Envelope>`, g.faults[0])
			g.faults = g.faults[1:]
			return
		}
		g.ports[arg("NewExternalPort")] = fmt.Sprint(arg("NewInternalClient"), ":", arg("NewInternalPort"), " ", arg("NewProtocol"), " ", arg("NewLeaseDuration"))
	case "DeletePortMapping":
		delete(g.ports, arg("NewExternalPort"))
	}
	fmt.Fprintf(w, `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><u:%sResponse xmlns:u="urn:x">%s</u:%sResponse></s:Body></s:Envelope>`,
		action, result, action)
}

func (g *gateway) mapped() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return fmt.Sprint(g.ports)
}

// client is UPnP on loopback, whose searches go to the gateway alone.
func (g *gateway) client() *upnp {
	return newUPnP(func(ctx context.Context) ([]location, error) {
		conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer conn.Close()
		ctx, cancel := context.WithTimeout(ctx, 300*time.Millisecond) // on loopback nothing is late
		defer cancel()
		return searchFrom(ctx, conn, g.ssdp.LocalAddr().(*net.UDPAddr).AddrPort())
	})
}

func TestUPnP(t *testing.T) {
	for _, tt := range []struct {
		name   string
		faults []int
		want   string // what the gateway forwards; empty: some port
		err    error
	}{
		{"granted", nil, "map[7100:127.0.0.1:7100 UDP 3600]", nil},
		{"only for good", []int{errPermanentOnly}, "map[7100:127.0.0.1:7100 UDP 0]", nil},
		{"port taken", []int{errConflict}, "", nil},
		{"every port taken", []int{errConflict, errConflict, errConflict}, "map[]", ErrRefused},
		{"not allowed", []int{606}, "map[]", ErrRefused},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newGateway(t, func(g *gateway) { g.faults = tt.faults })
			u := g.client()
			got, err := u.Map(t.Context(), 7100)
			if !errors.Is(err, tt.err) {
				t.Fatal(err)
			}
			forwards := g.mapped()
			if tt.want != "" && forwards != tt.want {
				t.Errorf("the gateway forwards %s", forwards)
			}
			if err != nil {
				if strings.ContainsAny(err.Error(), "\n<") {
					t.Errorf("not one plain line: %v", err)
				}
				return
			}
			if !strings.HasPrefix(forwards, fmt.Sprintf("map[%d:127.0.0.1:7100 UDP ", got.public.Port())) {
				t.Errorf("the gateway forwards %s, mapped is %v", forwards, got.public)
			}
			if got.public.Addr() != public.Addr() || got.lifetime != lifetime {
				t.Errorf("%+v", got)
			}
			again, err := u.Map(t.Context(), 7100)
			if err != nil || again.public != got.public {
				t.Errorf("renewed: %+v, %v", again, err)
			}
			if err := u.Unmap(t.Context()); err != nil || g.mapped() != "map[]" {
				t.Errorf("after the end: %s, %v", g.mapped(), err)
			}
		})
	}
}

// A device that names another host as itself is not listened to, neither in its answer nor in its description.
func TestDeviceThatPointsElsewhere(t *testing.T) {
	victim := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the victim was asked") }))
	defer victim.Close()
	elsewhere := strings.Replace(victim.URL, "127.0.0.1", "localhost", 1)
	for name, change := range map[string]func(*gateway){
		"location": func(g *gateway) { g.location = elsewhere },
		"https":    func(g *gateway) { g.location = "https://127.0.0.1/" },
		"nowhere":  func(g *gateway) { g.location = "" },
		"control":  func(g *gateway) { g.control = elsewhere },
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := newGateway(t, change).client().Map(t.Context(), 7100); err == nil {
				t.Errorf("%+v", got)
			}
		})
	}
}

// A description without end is read to a bound.
func TestEndlessDescription(t *testing.T) {
	var sent atomic.Int64
	endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for ; sent.Load() < 64*maxDescription; sent.Add(1 << 10) {
			if _, err := w.Write([]byte(strings.Repeat("<a>", 1<<10/3))); err != nil {
				return
			}
		}
	}))
	u, err := url.Parse(endless.URL)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := describe(t.Context(), location{u, netip.MustParseAddr("127.0.0.1")}); err == nil {
		t.Error("taken")
	}
	endless.Close()
	if sent.Load() >= 64*maxDescription {
		t.Error("all of it was read")
	}
}

func FuzzDeviceURL(f *testing.F) {
	from := netip.MustParseAddr("192.168.1.1")
	f.Add([]byte("HTTP/1.1 200 OK\r\nLOCATION: http://192.168.1.1:5000/root.xml\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nLOCATION: http://user@[::ffff:192.168.1.1]:5000/\r\nContent-Length: 99\r\n\r\nx"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if u := deviceURL(b, from); u != nil && (u.Scheme != "http" || netip.MustParseAddr(u.Hostname()).Unmap() != from) {
			t.Errorf("%v", u)
		}
	})
}
