// SPDX-License-Identifier: GPL-3.0-or-later

package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
)

var (
	errKeyEmpty = errors.New("there is no key in it")
	errKeyLong  = fmt.Errorf("it is larger than %d bytes: not a key file", maxKeySize)
)

// readKeyFile returns the key in the file at path: its bytes without white
// space around them. It returns nil for an empty path. A key that others on
// this machine can read is used, with a warning: secrets mounted into
// containers often are.
func readKeyFile(path string, log *slog.Logger) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, usageErrorf("key file: %w", err)
	}
	defer file.Close()
	key, err := io.ReadAll(io.LimitReader(file, maxKeySize+1))
	if err != nil {
		return nil, usageErrorf("key file: %w", err)
	}
	if len(key) > maxKeySize {
		return nil, usageErrorf("key file %s: %w", path, errKeyLong)
	}
	if key = bytes.TrimSpace(key); len(key) == 0 {
		return nil, usageErrorf("key file %s: %w", path, errKeyEmpty)
	}
	// Windows has no such bits; Go makes them up there.
	if info, err := file.Stat(); err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o007 != 0 {
		log.Warn("key file is open to every user of this machine: chmod 600 it", "file", path, "mode", info.Mode().Perm())
	}
	return key, nil
}
