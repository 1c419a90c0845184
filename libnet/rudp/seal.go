// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
)

// sealKey is one direction's AES-256-GCM key. Nonce: 4 bytes zero, 8 bytes counter (big-endian), as the
// Noise Protocol Framework, section 12.4, has it. The Cipher of flynn/noise does the same but allocates
// for each datagram.
type sealKey struct {
	aead  cipher.AEAD
	nonce [12]byte
}

func newSealKey(key [32]byte) (*sealKey, error) {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return &sealKey{aead: aead}, nil
}

// seal turns a datagram with header, frames and tagLen bytes of spare capacity into a sealed one, in place.
func (k *sealKey) seal(datagram []byte, to connID, counter uint64) []byte {
	putDataHeader(datagram, to, counter)
	binary.BigEndian.PutUint64(k.nonce[4:], counter)
	header, frames := datagram[:dataHeaderLen], datagram[dataHeaderLen:]
	return datagram[:dataHeaderLen+len(k.aead.Seal(frames[:0], k.nonce[:], frames, header))]
}

// open checks a datagram against its header and gives its frames, decrypted in place.
func (k *sealKey) open(datagram []byte, counter uint64) ([]byte, error) {
	binary.BigEndian.PutUint64(k.nonce[4:], counter)
	header, sealed := datagram[:dataHeaderLen], datagram[dataHeaderLen:]
	return k.aead.Open(sealed[:0], k.nonce[:], sealed, header)
}
