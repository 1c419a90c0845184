// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
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

// keyChain is one direction's keys. A key serves the counters of one epoch; the next key comes from it as the Noise
// Protocol Framework has it (section 11.3, REKEY), so that a key that leaks opens nothing older.
type keyChain struct {
	epoch               uint64
	secret, nextSecret  [32]byte
	current, last, next *sealKey // last and next may be nil
}

func newKeyChain(secret [32]byte) (*keyChain, error) {
	key, err := newSealKey(secret)
	if err != nil {
		return nil, err
	}
	return &keyChain{secret: secret, current: key}, nil
}

// peek makes the next epoch's key.
func (k *keyChain) peek() error {
	if k.next != nil {
		return nil
	}
	nonce := [12]byte{4: 0xff, 5: 0xff, 6: 0xff, 7: 0xff, 8: 0xff, 9: 0xff, 10: 0xff, 11: 0xff}
	var zeros [32]byte
	copy(k.nextSecret[:], k.current.aead.Seal(nil, nonce[:], zeros[:], nil))
	key, err := newSealKey(k.nextSecret)
	k.next = key
	return err
}

// advance goes to the next epoch.
func (k *keyChain) advance() error {
	if err := k.peek(); err != nil {
		return err
	}
	k.epoch++
	k.secret, k.nextSecret = k.nextSecret, [32]byte{}
	k.last, k.current, k.next = k.current, k.next, nil
	return nil
}

// seal is sealKey.seal with the key of the counter's epoch, which is never below that of the one before.
func (k *keyChain) seal(datagram []byte, to connID, counter uint64) []byte {
	if counter>>epochBits != k.epoch {
		if err := k.advance(); err != nil {
			panic(err) // cannot happen: 32 bytes are a key
		}
	}
	return k.current.seal(datagram, to, counter)
}

// open is sealKey.open with the key of the counter's epoch: the present one, the one before, or the next one, which
// is then the present one.
func (k *keyChain) open(datagram []byte, counter uint64) ([]byte, error) {
	switch epoch := counter >> epochBits; {
	case epoch == k.epoch:
		return k.current.open(datagram, counter)
	case epoch+1 == k.epoch && k.last != nil:
		return k.last.open(datagram, counter)
	case epoch == k.epoch+1:
		if err := k.peek(); err != nil {
			return nil, err
		}
		frames, err := k.next.open(datagram, counter)
		if err == nil {
			err = k.advance()
		}
		return frames, err
	}
	return nil, errEpoch
}

var errEpoch = errors.New("rudp: no key for this counter")
