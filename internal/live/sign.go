// SPDX-License-Identifier: GPL-3.0-or-later

package live

import (
	"crypto/ed25519"
	"errors"

	"p2plive/internal/wire"
)

// ErrBadSignature says that a piece or catalog is not from the stream's source.
var ErrBadSignature = errors.New("bad signature")

// Contexts keep a signature of one kind from being used as another kind's.
const (
	pieceContext   = "p2plive piece 1\x00"
	catalogContext = "p2plive catalog 1\x00"
)

// Signer signs the pieces and catalogs of one stream.
type Signer struct {
	key    ed25519.PrivateKey
	stream wire.StreamID
}

// NewSigner returns a signer for the stream that the key names.
func NewSigner(key ed25519.PrivateKey) *Signer {
	return &Signer{key: key, stream: wire.StreamID(key.Public().(ed25519.PublicKey))}
}

// Stream returns the id of the signer's stream.
func (s *Signer) Stream() wire.StreamID { return s.stream }

// SignRaw signs arbitrary bytes with the stream's key; the caller separates
// its purpose from others by a context in message.
func (s *Signer) SignRaw(message []byte) []byte { return ed25519.Sign(s.key, message) }

// Sign makes a signed piece of header and payload.
func (s *Signer) Sign(h wire.PieceHeader, payload []byte) *wire.Piece {
	return wire.EncodePiece(h, payload, func(signed []byte) [wire.SignatureSize]byte {
		return [wire.SignatureSize]byte(ed25519.Sign(s.key, covered(pieceContext, s.stream, signed)))
	})
}

// SignCatalog encodes and signs a catalog.
func (s *Signer) SignCatalog(c *wire.Catalog) *wire.SignedCatalog {
	b := wire.AppendCatalog(nil, c)
	sig := ed25519.Sign(s.key, covered(catalogContext, s.stream, b))
	return &wire.SignedCatalog{Bytes: b, Signature: [wire.SignatureSize]byte(sig)}
}

// Verify reports with ErrBadSignature a piece that the stream's source has
// not signed.
func Verify(stream wire.StreamID, p *wire.Piece) error {
	if !ed25519.Verify(stream[:], covered(pieceContext, stream, p.Signed()), p.Signature[:]) {
		return ErrBadSignature
	}
	return nil
}

// OpenCatalog verifies and reads a catalog of the stream.
func OpenCatalog(stream wire.StreamID, m *wire.SignedCatalog) (*wire.Catalog, error) {
	if !ed25519.Verify(stream[:], covered(catalogContext, stream, m.Bytes), m.Signature[:]) {
		return nil, ErrBadSignature
	}
	c, err := wire.ParseCatalog(m.Bytes)
	if err != nil {
		return nil, err
	}
	if c.Stream != stream {
		return nil, ErrBadSignature
	}
	return c, nil
}

func covered(context string, stream wire.StreamID, signed []byte) []byte {
	b := make([]byte, 0, len(context)+len(stream)+len(signed))
	b = append(b, context...)
	b = append(b, stream[:]...)
	return append(b, signed...)
}
