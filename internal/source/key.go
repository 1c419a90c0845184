// SPDX-License-Identifier: GPL-3.0-or-later

package source

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const keyPEMType = "P2P-LIVE STREAM KEY"

// maxKeyFile bounds what is read of a key file.
const maxKeyFile = 4 << 10

// loadOrCreateKey reads the stream's private key from a file, or makes a new
// key and keeps it there, readable by its owner alone.
func loadOrCreateKey(file string) (ed25519.PrivateKey, error) {
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return createKey(file)
	}
	if err != nil {
		return nil, fmt.Errorf("stream key: %w", err)
	}
	block, _ := pem.Decode(b[:min(len(b), maxKeyFile)])
	if block == nil || block.Type != keyPEMType || len(block.Bytes) != ed25519.SeedSize {
		return nil, fmt.Errorf("stream key: %s holds no stream key; name another file to make a new one", file)
	}
	return ed25519.NewKeyFromSeed(block.Bytes), nil
}

func createKey(file string) (ed25519.PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("stream key: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, fmt.Errorf("stream key: %w", err)
	}
	b := pem.EncodeToMemory(&pem.Block{Type: keyPEMType, Bytes: key.Seed()})
	// O_EXCL: a second source started at the same moment must not end with
	// another key than the file holds.
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("stream key: %w", err)
	}
	if _, err := f.Write(b); err != nil {
		f.Close()
		return nil, fmt.Errorf("stream key: %w", err)
	}
	return key, f.Close()
}
