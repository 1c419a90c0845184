// SPDX-License-Identifier: GPL-3.0-or-later

package transport

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/netip"
	"time"
)

// TLS is the standard library's TLS 1.3 over TCP.
type TLS struct{}

// Name implements Transport.
func (TLS) Name() string { return "tls" }

// Listen implements Transport.
func (TLS) Listen() (Host, error) {
	conf, cert, err := serverTLS()
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp4", netip.AddrPortFrom(localhost, 0).String())
	if err != nil {
		return nil, err
	}
	return tlsHost{tls.NewListener(l, conf), cert}, nil
}

// Dial implements Transport.
func (TLS) Dial(ctx context.Context, to Address, from netip.Addr) (Session, error) {
	conf, err := clientTLS(to.Key)
	if err != nil {
		return nil, err
	}
	d := tls.Dialer{Config: conf, NetDialer: dialerFrom(from)}
	c, err := d.DialContext(ctx, "tcp4", to.Addr.String())
	if err != nil {
		return nil, err
	}
	return greet(ctx, &stream{ReadWriter: c, close: c.Close})
}

func dialerFrom(ip netip.Addr) *net.Dialer {
	return &net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(ip, 0))}
}

type tlsHost struct {
	net.Listener
	cert string
}

func (h tlsHost) Address() Address { return Address{Addr: portOf(h.Addr()), Key: h.cert} }

func (h tlsHost) Accept(ctx context.Context) (Session, error) {
	c, err := h.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return welcome(ctx, &stream{ReadWriter: c, close: c.Close})
}

// serverName is what certificates here are for.
const serverName = "bench.invalid"

// serverTLS makes a certificate, and gives it also in the form that clientTLS takes.
func serverTLS() (conf *tls.Config, cert string, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, "", err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		DNSNames:     []string{serverName},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, "", err
	}
	conf = commonTLS()
	conf.Certificates = []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}
	return conf, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), nil
}

func clientTLS(cert string) (*tls.Config, error) {
	conf := commonTLS()
	conf.ServerName = serverName
	conf.RootCAs = x509.NewCertPool()
	if !conf.RootCAs.AppendCertsFromPEM([]byte(cert)) {
		return nil, errors.New("host gave no certificate")
	}
	return conf, nil
}

func commonTLS() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS13, NextProtos: []string{"bench"}}
}
