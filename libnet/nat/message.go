// SPDX-License-Identifier: GPL-3.0-or-later

package nat

import (
	"encoding/binary"
	"errors"
	"net/netip"

	"github.com/pion/stun/v3"
)

const (
	headerSize  = 20
	magicCookie = 0x2112A442
)

// Types of messages as in the header's first two bytes (RFC 8489, section 5).
const (
	bindingRequest uint16 = 0x0001
	bindingSuccess uint16 = 0x0101
	bindingError   uint16 = 0x0111
)

// Families of addresses (RFC 8489, section 14.1).
const (
	familyIPv4 = 0x01
	familyIPv6 = 0x02
)

type transactionID = [stun.TransactionIDSize]byte

var errMalformed = errors.New("nat: malformed STUN message")

// IsSTUN tells whether a datagram is a STUN message: magic cookie, and a length that fits the
// datagram exactly. Its attributes may still be malformed.
func IsSTUN(b []byte) bool {
	return len(b) >= headerSize &&
		b[0] < 4 &&
		binary.BigEndian.Uint32(b[4:]) == magicCookie &&
		len(b)%4 == 0 &&
		int(binary.BigEndian.Uint16(b[2:])) == len(b)-headerSize
}

// messageType and messageID read the header of what IsSTUN has recognised.
func messageType(b []byte) uint16 { return binary.BigEndian.Uint16(b) }

func messageID(b []byte) transactionID { return transactionID(b[8:headerSize]) }

// decode parses what IsSTUN has recognised. The message shares no memory with b.
func decode(b []byte) (*stun.Message, error) {
	if len(b) > maxMessage {
		return nil, errMalformed
	}
	m := new(stun.Message)
	if err := stun.Decode(b, m); err != nil {
		return nil, errMalformed
	}
	if last := len(m.Attributes) - 1; m.Contains(stun.AttrFingerprint) {
		// RFC 8489, section 14.7: the fingerprint is the last attribute.
		if m.Attributes[last].Type != stun.AttrFingerprint || stun.Fingerprint.Check(m) != nil {
			return nil, errMalformed
		}
	}
	return m, nil
}

// mappedAddress reads XOR-MAPPED-ADDRESS (RFC 8489, section 14.2) and refuses what cannot be
// the address of a socket.
func mappedAddress(m *stun.Message) (netip.AddrPort, error) {
	value, err := m.Get(stun.AttrXORMappedAddress)
	if err != nil || len(value) != 4+4 && len(value) != 4+16 {
		return netip.AddrPort{}, errMalformed
	}
	var mapped stun.XORMappedAddress
	if err := mapped.GetFrom(m); err != nil || len(mapped.IP) != len(value)-4 {
		return netip.AddrPort{}, errMalformed
	}
	ip, _ := netip.AddrFromSlice(mapped.IP)
	ip = ip.Unmap()
	if ip.IsUnspecified() || ip.IsMulticast() || mapped.Port <= 0 || mapped.Port > 0xffff {
		return netip.AddrPort{}, errMalformed
	}
	return netip.AddrPortFrom(ip, uint16(mapped.Port)), nil
}

// address reads an attribute in the form of MAPPED-ADDRESS (RFC 8489, section 14.1): OTHER-ADDRESS
// or RESPONSE-ORIGIN. Zero: it is missing, malformed, or has no port. The address may be
// unspecified, from a server that does not know it.
func address(m *stun.Message, t stun.AttrType) netip.AddrPort {
	value, err := m.Get(t)
	if err != nil || len(value) < 4 {
		return netip.AddrPort{}
	}
	family, port := value[1], binary.BigEndian.Uint16(value[2:])
	ip, ok := netip.AddrFromSlice(value[4:])
	if !ok || ip.Is4() != (family == familyIPv4) || ip.Is6() != (family == familyIPv6) || port == 0 {
		return netip.AddrPort{}
	}
	if ip = ip.Unmap(); ip.IsMulticast() {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(ip, port)
}

// plain is an address as it is compared: IPv4 as such, without a zone.
func plain(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}
