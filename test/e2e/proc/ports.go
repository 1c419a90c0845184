// SPDX-License-Identifier: GPL-3.0-or-later

package proc

import (
	"math/rand/v2"
	"net"
	"strconv"
	"sync/atomic"
	"testing"
)

// Ports are taken below those that systems give to outgoing connections
// (32768 and above on Linux): nothing else takes one between the moment it was
// found free and the moment the process binds it.
const (
	firstPort = 20_000
	portCount = 12_000
)

// nextPort begins somewhere, so that test runs side by side seldom meet.
var nextPort atomic.Uint32

func init() { nextPort.Store(rand.Uint32N(portCount)) }

// FreeAddr returns an address on 127.0.0.1 whose port nothing uses, neither
// for TCP nor for UDP. No other call returns it again.
func FreeAddr(tb testing.TB) string {
	tb.Helper()
	for range portCount {
		// Every other port: a tracker takes the one after its UDP port too.
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(firstPort+int(nextPort.Add(2)%portCount)))
		if isFree(addr) {
			return addr
		}
	}
	tb.Fatal("no free port")
	return ""
}

func isFree(addr string) bool {
	tcp, err := net.Listen("tcp", addr)
	if err != nil {
		return false
	}
	tcp.Close()
	udp, err := net.ListenPacket("udp", addr)
	if err != nil {
		return false
	}
	udp.Close()
	return true
}

// Port returns the port of an address.
func Port(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	return port
}
