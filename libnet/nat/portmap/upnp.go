// SPDX-License-Identifier: GPL-3.0-or-later

package portmap

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"time"

	"github.com/huin/goupnp"
	"github.com/huin/goupnp/dcps/internetgateway2"
	"github.com/huin/goupnp/soap"
)

// igd is what is used of a WANIPConnection or WANPPPConnection service.
type igd interface {
	AddPortMappingCtx(ctx context.Context, remoteHost string, externalPort uint16, protocol string, internalPort uint16,
		internalClient string, enabled bool, description string, lease uint32) error
	DeletePortMappingCtx(ctx context.Context, remoteHost string, externalPort uint16, protocol string) error
	GetExternalIPAddressCtx(ctx context.Context) (string, error)
}

// Errors of AddPortMapping (WANIPConnection:1, section 2.4.16).
const (
	errConflict      = 718 // another host has the port
	errSamePort      = 724 // external and internal port must be equal
	errPermanentOnly = 725 // leases have no end
)

const description = "p2plive"

// upnp asks by UPnP's Internet Gateway Device.
type upnp struct {
	search  func(context.Context) ([]location, error)
	service igd // nil: none is known
	local   netip.Addr
	port    uint16
	granted uint16 // external port; 0: none
}

func newUPnP(search func(context.Context) ([]location, error)) *upnp { return &upnp{search: search} }

func (*upnp) Name() string { return "UPnP" }

func (u *upnp) Map(ctx context.Context, port uint16) (mapping, error) {
	u.port = port
	if u.service == nil {
		if err := u.find(ctx); err != nil {
			return mapping{}, err
		}
	}
	text, err := u.service.GetExternalIPAddressCtx(ctx)
	if err != nil {
		return mapping{}, plainly(err)
	}
	external, err := netip.ParseAddr(text)
	if err != nil {
		return mapping{}, fmt.Errorf("%w: it is not connected", ErrRefused)
	}
	granted, life, err := u.add(ctx)
	if err != nil {
		return mapping{}, plainly(err)
	}
	u.granted = granted
	return mapping{public: netip.AddrPortFrom(external, granted), lifetime: life}, nil
}

// add asks for the port that was granted before, or our own, or any other that is free.
func (u *upnp) add(ctx context.Context) (granted uint16, life time.Duration, err error) {
	external := u.port
	if u.granted != 0 {
		external = u.granted
	}
	life = lifetime
	for range portTries {
		err = u.service.AddPortMappingCtx(ctx, "", external, "UDP", u.port, u.local.String(), true, description,
			uint32(life/time.Second))
		var fault *soap.SOAPFaultError
		switch {
		case err == nil && life == 0:
			return external, lifetime, nil // it has no end, but a router may forget it
		case err == nil:
			return external, life, nil
		case !errors.As(err, &fault):
			return 0, 0, err
		case fault.Detail.UPnPError.Errorcode == errPermanentOnly:
			life = 0
		case fault.Detail.UPnPError.Errorcode == errConflict:
			external = uint16(1024 + rand.IntN(1<<16-1024))
		case fault.Detail.UPnPError.Errorcode == errSamePort && external != u.port:
			external = u.port
		default:
			return 0, 0, err
		}
	}
	return 0, 0, err
}

// plainly turns a refusal into one line.
func plainly(err error) error {
	var fault *soap.SOAPFaultError
	if errors.As(err, &fault) {
		return fmt.Errorf("%w (UPnP error %d)", ErrRefused, fault.Detail.UPnPError.Errorcode)
	}
	return err
}

func (u *upnp) Unmap(ctx context.Context) error {
	if u.granted == 0 {
		return nil
	}
	external := u.granted
	u.granted = 0
	return u.service.DeletePortMappingCtx(ctx, "", external, "UDP")
}

// find takes the first gateway that has a connection to the internet to offer.
func (u *upnp) find(ctx context.Context) error {
	found, err := u.search(ctx)
	if err != nil {
		return err
	}
	for _, at := range found {
		service, err := describe(ctx, at)
		if err == nil {
			u.service, u.local = service, at.local
			return nil
		}
	}
	return errSilent
}

// describe reads a device's description, and gives its service.
func describe(ctx context.Context, at location) (igd, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.url.String(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := deviceClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	root := new(goupnp.RootDevice)
	decoder := xml.NewDecoder(resp.Body)
	decoder.DefaultSpace = goupnp.DeviceXMLNamespace
	if err := decoder.Decode(root); err != nil {
		return nil, err
	}
	root.SetURLBase(at.url)
	host, err := netip.ParseAddr(at.url.Hostname())
	if err != nil {
		return nil, err
	}
	for urn, make := range services {
		clients, err := goupnp.NewServiceClientsFromRootDevice(root, at.url, urn)
		if err != nil {
			continue
		}
		for _, c := range clients {
			// As with its description, a device may name only itself.
			if isAt(&c.SOAPClient.EndpointURL, host.Unmap()) {
				c.SOAPClient.HTTPClient = *deviceClient
				return make(c), nil
			}
		}
	}
	return nil, errors.New("a gateway without a connection")
}

// services are those that map ports.
var services = map[string]func(goupnp.ServiceClient) igd{
	internetgateway2.URN_WANIPConnection_2: func(c goupnp.ServiceClient) igd {
		return &internetgateway2.WANIPConnection2{ServiceClient: c}
	},
	internetgateway2.URN_WANIPConnection_1: func(c goupnp.ServiceClient) igd {
		return &internetgateway2.WANIPConnection1{ServiceClient: c}
	},
	internetgateway2.URN_WANPPPConnection_1: func(c goupnp.ServiceClient) igd {
		return &internetgateway2.WANPPPConnection1{ServiceClient: c}
	},
}

// deviceClient speaks to devices of the home's network: without a proxy, without following them elsewhere, one
// connection a request, and for a bounded time and length.
var deviceClient = &http.Client{
	Timeout:       upnpTimeout,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	Transport:     bounded{&http.Transport{DisableKeepAlives: true, DisableCompression: true}},
}

// bounded cuts answers at maxDescription.
type bounded struct{ next http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.next.RoundTrip(r)
	if err == nil {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, maxDescription), resp.Body}
	}
	return resp, err
}
