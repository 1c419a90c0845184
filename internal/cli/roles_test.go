// SPDX-License-Identifier: GPL-3.0-or-later

package cli

import (
	"os"
	"path/filepath"
	"testing"
)

const testTracker = "http://tracker.example:7000"

func TestRolesBadUsage(t *testing.T) {
	link := testTracker + "/s/radio"
	tests := map[string]struct {
		args []string
		want string
	}{
		"demo, no viewers":          {[]string{"demo", "--viewers", "0"}, "--viewers must be from 1 to 100, not 0"},
		"demo, not a number":        {[]string{"demo", "--viewers", "many"}, "--viewers: expected"},
		"demo, no unit":             {[]string{"demo", "--duration", "10"}, "missing unit in duration"},
		"edge, no tracker":          {[]string{"edge"}, "missing flags: --tracker=URL"},
		"edge, bad tracker":         {[]string{"edge", "--tracker", "tracker.example"}, "it must begin with http://"},
		"edge, bad public address":  {[]string{"edge", "--tracker", testTracker, "--public-addr", ":7100"}, "no host in it"},
		"source, nothing":           {[]string{"source"}, "missing flags: --name=NAME, --tracker=URL"},
		"source, bad name":          {[]string{"source", "--tracker", testTracker, "--name", "a/b"}, `bad stream name "a/b"`},
		"source, other scheme":      {[]string{"source", "--tracker", testTracker, "--name", "a", "--input", "ftp://x"}, "write rtmp://HOST:PORT, FILE, - or demo"},
		"source, no port":           {[]string{"source", "--tracker", testTracker, "--name", "a", "--input", "rtmp://x"}, "write rtmp://HOST:PORT"},
		"nat, no tracker":           {[]string{"nat"}, "missing flags: --tracker=URL"},
		"watch, no link":            {[]string{"watch"}, `expected "<link>"; see p2plive watch --help`},
		"watch, bad link":           {[]string{"watch", "radio"}, `bad link "radio"`},
		"watch, no stream in it":    {[]string{"watch", testTracker}, "there is no /s/NAME in it"},
		"watch, both on stdout":     {[]string{"watch", link, "--json", "--out", "-"}, "choose one"},
		"watch, unknown ending":     {[]string{"watch", link, "--out", "x.avi"}, "--out: x.avi: "},
		"watch, unknown player":     {[]string{"watch", link, "--player", "xine"}, "--player: "},
		"watch, bad rate":           {[]string{"watch", link, "--upload-limit", "fast"}, `"fast" is not a rate`},
		"watch, negative duration":  {[]string{"watch", link, "--duration=-1s"}, "--duration must not be negative"},
		"watch, listen on nonsense": {[]string{"watch", link, "--http", "here"}, "write HOST:PORT"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			stdout, stderr, code := run(t.Context(), tt.args...)
			if code != exitUsage || stdout != "" {
				t.Errorf("exit code %d, stdout %q; want %d and nothing", code, stdout, exitUsage)
			}
			checkLine(t, stderr, tt.want)
		})
	}
}

// TestExampleConfig holds deploy/p2plive.yaml to what the program takes.
func TestExampleConfig(t *testing.T) {
	path := filepath.Join("..", "..", "deploy", "p2plive.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	values, err := parseConfig(path, text, testModel(t))
	if err != nil || len(values) == 0 {
		t.Errorf("%d values, error %v", len(values), err)
	}
}
