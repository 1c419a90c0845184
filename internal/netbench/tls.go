// SPDX-License-Identifier: GPL-3.0-or-later

package netbench

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"time"

	"golang.org/x/sync/errgroup"
)

// tlsFlow is one side of a connection, whose messages have no boundaries but their sizes.
type tlsFlow struct {
	net.Conn
	buf [bulkMessage]byte
}

func (f *tlsFlow) send(_ context.Context, message []byte) error {
	_, err := f.Write(message)
	return err
}

func (f *tlsFlow) receive(_ context.Context, size int) error {
	_, err := io.ReadFull(f, f.buf[:size])
	return err
}

// serverName is what the certificate is for.
const serverName = "netbench.invalid"

func dialTLS(ctx context.Context) (*link, error) {
	server, client, err := tlsConfigs()
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer l.Close()
	var accepted, dialled net.Conn
	both, dialling := errgroup.WithContext(ctx)
	both.Go(func() error {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		accepted = tls.Server(c, server)
		return accepted.(*tls.Conn).HandshakeContext(dialling)
	})
	both.Go(func() (err error) {
		dialled, err = (&tls.Dialer{Config: client}).DialContext(dialling, "tcp", l.Addr().String())
		if err != nil {
			l.Close()
		}
		return err
	})
	err = both.Wait()
	closeBoth := func() {
		for _, c := range []net.Conn{dialled, accepted} {
			if c != nil {
				c.(*tls.Conn).NetConn().Close() // at once, also while a write waits
			}
		}
	}
	if err != nil {
		closeBoth()
		return nil, err
	}
	return &link{from: &tlsFlow{Conn: dialled}, to: &tlsFlow{Conn: accepted}, close: closeBoth}, nil
}

// tlsConfigs makes a certificate for a day, and who trusts it.
func tlsConfigs() (server, client *tls.Config, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		DNSNames:     []string{serverName},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	server = &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
	}
	return server, &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: roots, ServerName: serverName}, nil
}
