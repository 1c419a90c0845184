// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestPeerIDText(t *testing.T) {
	id := newIdentity(t).ID()
	for _, s := range []string{id.String(), strings.ToUpper(id.String())} {
		got, err := ParsePeerID(s)
		if err != nil || got != id {
			t.Fatalf("ParsePeerID(%q) = %v, %v", s, got, err)
		}
	}
	text, err := id.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	var back PeerID
	if err := back.UnmarshalText(text); err != nil || back != id {
		t.Fatalf("UnmarshalText = %v, %v", back, err)
	}
	if len(id.String()) != 52 || id.String() != strings.ToLower(id.String()) {
		t.Fatalf("String() = %q", id)
	}
	for _, bad := range []string{"", "a", id.String() + "a", strings.Repeat("1", 52), id.String()[:51] + "b", strings.Repeat("a", 51) + "\n"} {
		if got, err := ParsePeerID(bad); err == nil {
			t.Errorf("ParsePeerID(%q) = %v, want an error", bad, got)
		}
	}
}

func TestLoadOrCreateIdentity(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	made, err := LoadOrCreateIdentity(file)
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := LoadOrCreateIdentity(file)
	if err != nil || loaded.ID() != made.ID() {
		t.Fatalf("loaded %v, %v; want %v", loaded.ID(), err, made.ID())
	}
	if info, err := os.Stat(file); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v; want 0600", info.Mode(), err)
	}
	for _, bad := range []string{"", "zz", "0102"} {
		if err := os.WriteFile(file, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadOrCreateIdentity(file); err == nil {
			t.Errorf("a key file with %q was accepted", bad)
		}
	}
	if _, err := LoadOrCreateIdentity(filepath.Join(file, "below a file")); err == nil {
		t.Error("an impossible path was accepted")
	}
}

func TestConfigChecks(t *testing.T) {
	id := newIdentity(t)
	tests := []struct {
		name string
		cfg  Config
	}{
		{"no identity", Config{}},
		{"keepalive too long", Config{Identity: id, IdleTimeout: 1e9, KeepAlive: 1e9}},
		{"negative time", Config{Identity: id, IdleTimeout: -1}},
		{"negative bound", Config{Identity: id, MaxSessions: -1}},
		{"tiny queue", Config{Identity: id, SendQueue: 1000}},
		{"huge queue", Config{Identity: id, RecvQueue: 1 << 30}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := tt.cfg.withDefaults(); err == nil {
				t.Fatal("accepted")
			}
		})
	}
	if cfg, err := (Config{Identity: id, IdleTimeout: 2e9}).withDefaults(); err != nil || cfg.KeepAlive != 5e8 {
		t.Fatalf("a short idle timeout gives keepalive %v, %v", cfg.KeepAlive, err)
	}
}
