// SPDX-License-Identifier: GPL-3.0-or-later

package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestReadKeyFile(t *testing.T) {
	tests := map[string]struct {
		text    string
		mode    os.FileMode
		want    string
		wantErr string
		wantLog string
	}{
		"line":          {"secret\n", 0o600, "secret", "", ""},
		"no newline":    {"secret", 0o400, "secret", "", ""},
		"windows line":  {"  secret \r\n", 0o600, "secret", "", ""},
		"longest":       {strings.Repeat("k", maxKeySize), 0o600, strings.Repeat("k", maxKeySize), "", ""},
		"group reads":   {"secret", 0o640, "secret", "", ""},
		"others read":   {"secret", 0o644, "secret", "", "chmod 600"},
		"empty":         {"", 0o600, "", "there is no key in it", ""},
		"only newlines": {"\n\n", 0o600, "", "there is no key in it", ""},
		"too long":      {strings.Repeat("k", maxKeySize+1), 0o600, "", "larger than 4096 bytes", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "edge.key")
			if err := os.WriteFile(path, []byte(tt.text), tt.mode); err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			key, err := readKeyFile(path, newLogger(&log, "info", "text"))
			if tt.wantErr == "" && err != nil || tt.wantErr != "" && (err == nil || !strings.Contains(err.Error(), tt.wantErr)) {
				t.Fatalf("error %v, want %q", err, tt.wantErr)
			}
			if err != nil && ExitCode(err) != exitUsage {
				t.Errorf("exit code %d, want %d", ExitCode(err), exitUsage)
			}
			if string(key) != tt.want {
				t.Errorf("key %q, want %q", key, tt.want)
			}
			warned := log.String()
			if runtime.GOOS != "windows" && (tt.wantLog == "") != (warned == "") || !strings.Contains(warned, tt.wantLog) {
				t.Errorf("log %q, want %q", warned, tt.wantLog)
			}
			if tt.text != "" && strings.Contains(warned, "secret") {
				t.Error("the key is in the log")
			}
		})
	}
}

func TestReadKeyFileMissing(t *testing.T) {
	log := newLogger(&bytes.Buffer{}, "info", "text")
	if key, err := readKeyFile("", log); key != nil || err != nil {
		t.Errorf("no file named: %q, %v", key, err)
	}
	if _, err := readKeyFile(filepath.Join(t.TempDir(), "none"), log); ExitCode(err) != exitUsage {
		t.Errorf("missing file: %v", err)
	}
	if _, err := readKeyFile(t.TempDir(), log); ExitCode(err) != exitUsage {
		t.Errorf("directory: %v", err)
	}
}
