// SPDX-License-Identifier: GPL-3.0-or-later

package arq

// GF(256), as Reed-Solomon codes have it: bytes are polynomials over GF(2) modulo x^8+x^4+x^3+x^2+1 (RFC 5510, section
// 8.1). Adding is XOR.
var (
	powers     [2 * 255]byte // of x
	logarithms [256]uint8
)

func init() {
	for i, v := 0, 1; i < 255; i++ {
		powers[i], powers[i+255] = byte(v), byte(v)
		logarithms[v] = uint8(i)
		if v <<= 1; v > 0xff {
			v ^= 0x11d
		}
	}
}

func multiply(a, b byte) byte {
	if a == 0 || b == 0 {
		return 0
	}
	return powers[int(logarithms[a])+int(logarithms[b])]
}

// inverse is 1/a; a is not zero.
func inverse(a byte) byte { return powers[255-int(logarithms[a])] }

// addMultiple adds k times src to dst, which is at least as long.
func addMultiple(dst, src []byte, k byte) {
	// The multiples of k by a byte's halves: 32 products instead of one for each byte.
	var low, high [16]byte
	for i := range byte(16) {
		low[i], high[i] = multiply(k, i), multiply(k, i<<4)
	}
	dst = dst[:len(src)]
	for i, v := range src {
		dst[i] ^= low[v&15] ^ high[v>>4]
	}
}

// scale multiplies b by k.
func scale(b []byte, k byte) {
	for i, v := range b {
		b[i] = multiply(k, v)
	}
}
