// SPDX-License-Identifier: GPL-3.0-or-later

package udp

import (
	"encoding/binary"
	"net"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

const kernelTTL = true

// writeTTL gives the time to live with the datagram, so that no other one gets it: ip(7), ipv6(7).
func writeTTL(c *net.UDPConn, b []byte, to netip.AddrPort, ttl int) error {
	level, option := unix.IPPROTO_IP, unix.IP_TTL
	if to.Addr().Unmap().Is6() {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_HOPLIMIT
	}
	oob := make([]byte, unix.CmsgSpace(4))
	h := (*unix.Cmsghdr)(unsafe.Pointer(&oob[0]))
	h.Level, h.Type = int32(level), int32(option)
	h.SetLen(unix.CmsgLen(4))
	binary.NativeEndian.PutUint32(oob[unix.CmsgLen(0):], uint32(ttl))
	_, _, err := c.WriteMsgUDPAddrPort(b, oob, to)
	return err
}
