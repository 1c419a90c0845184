// SPDX-License-Identifier: GPL-3.0-or-later

package cli

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
)

// testModel returns the grammar of the program.
func testModel(t testing.TB) *kong.Node {
	t.Helper()
	parser, err := kong.New(&commandLine{}, helpVars())
	if err != nil {
		t.Fatal(err)
	}
	return parser.Model.Node
}

// sampleLine is a grammar for the tests of settings: it stays as it is when the
// program's changes.
type sampleLine struct {
	Config string   `placeholder:"FILE"`
	Level  string   `default:"info"`
	Play   samplePl `cmd:""`
	Bench  struct {
		Net samplePl `cmd:""`
	} `cmd:""`
	env map[string]string
}

type samplePl struct {
	Rate     bitRate       `default:"1M"`
	Times    int           `default:"1"`
	Duration time.Duration `default:"0"`
	Loud     bool
	Addr     []publicAddr
	Name     string `required:""`
}

func (l *sampleLine) BeforeResolve(kctx *kong.Context) error {
	var environ []string
	for name, value := range l.env {
		environ = append(environ, name+"="+value)
	}
	return addSettings(kctx, environ)
}

func (l *sampleLine) parse(args ...string) error {
	parser, err := kong.New(l, kong.Writers(io.Discard, io.Discard))
	if err != nil {
		return err
	}
	if _, err = parser.Parse(args); err != nil {
		return parseError(err)
	}
	return nil
}

func writeConfig(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "p2plive.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPrecedence(t *testing.T) {
	path := writeConfig(t, "play:\n  name: file\n  times: 5\n  rate: 5M\n  loud: true\n")
	tests := map[string]struct {
		args  []string
		env   map[string]string
		name  string
		times int
		rate  bitRate
	}{
		"default":         {[]string{"--name=x"}, nil, "x", 1, 1e6},
		"environment":     {nil, map[string]string{"P2PLIVE_NAME": "env", "P2PLIVE_TIMES": "3"}, "env", 3, 1e6},
		"file":            {[]string{"--config", path}, nil, "file", 5, 5e6},
		"file by env":     {nil, map[string]string{"P2PLIVE_CONFIG": path}, "file", 5, 5e6},
		"env over file":   {[]string{"--config", path}, map[string]string{"P2PLIVE_TIMES": "3"}, "file", 3, 5e6},
		"flag over both":  {[]string{"--config", path, "--times=2"}, map[string]string{"P2PLIVE_TIMES": "3"}, "file", 2, 5e6},
		"flag is default": {[]string{"--config", path, "--times=1"}, nil, "file", 1, 5e6},
		"empty env":       {[]string{"--config", path}, map[string]string{"P2PLIVE_TIMES": ""}, "file", 5, 5e6},
		"no default file": {[]string{"--name=x"}, map[string]string{"P2PLIVE_CONFIG": ""}, "x", 1, 1e6},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			l := sampleLine{env: tt.env}
			if err := l.parse(append([]string{"play"}, tt.args...)...); err != nil {
				t.Fatal(err)
			}
			if l.Play.Name != tt.name || l.Play.Times != tt.times || l.Play.Rate != tt.rate {
				t.Errorf("got %+v, want %+v", l.Play, tt)
			}
		})
	}
}

func TestConfigNested(t *testing.T) {
	path := writeConfig(t, `
level: warn
play: # of another command: checked, not used
  name: other
bench:
  net:
    name: &n bench
    duration: 90s
    addr: [192.0.2.1:7, "[2001:db8::1]:7"]
    loud: true
`)
	var l sampleLine
	if err := l.parse("bench", "net", "--config", path); err != nil {
		t.Fatal(err)
	}
	got := l.Bench.Net
	if l.Level != "warn" || got.Name != "bench" || got.Duration != 90*time.Second || !got.Loud ||
		len(got.Addr) != 2 || got.Addr[1] != "[2001:db8::1]:7" {
		t.Errorf("level %q, bench net %+v", l.Level, got)
	}
}

func TestConfigRefused(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"unknown":           {"levels: x", `:1: unknown key "levels"; known there: level, play, bench`},
		"unknown nested":    {"level: x\nbench:\n  net:\n    speed: 1", `:4: unknown key "bench.net.speed"; known under bench.net: rate`},
		"unknown elsewhere": {"play: {name: x}\nbench: {udp: {}}", `:2: unknown key "bench.udp"`},
		"flag of a command": {"rate: 5M", `unknown key "rate"`},
		"config itself":     {"config: other.yaml", `unknown key "config"`},
		"help":              {"play: {help: true}", `unknown key "play.help"`},
		"merge key":         {"play: &p {name: x}\nbench: {net: {<<: *p}}", `unknown key "bench.net.<<"`},
		"twice":             {"level: a\nlevel: b", `:2: key "level" stands there twice`},
		"command as value":  {"play: fast", "play is a command"},
		"list":              {"- level", "expected `key: value` lines"},
		"self reference":    {"&a [*a]", "expected `key: value` lines"},
		"empty value":       {"level:", `key "level" needs one plain value`},
		"mapping as value":  {"level: {a: b}", `key "level" needs one plain value`},
		"list as value":     {"level: [a]", `key "level" needs one plain value`},
		"nested list":       {"play: {addr: [[a]]}", "must be plain"},
		"wrong type":        {"play: {times: many}", ":1: --times: "},
		"wrong rate":        {"play: {rate: fast}", `:1: --rate: "fast" is not a rate`},
		"wrong address":     {"play:\n  addr:\n    - x", `:3: --addr: "x" is not an address`},
		"two documents":     {"level: a\n---\nlevel: b", "more than one YAML document"},
		"not YAML":          {"level: a: b", "mapping values are not allowed"},
		"too long":          {"level: " + strings.Repeat("x", maxConfigSize), "larger than 65536 bytes"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			path := writeConfig(t, tt.text)
			var l sampleLine
			err := l.parse("play", "--name=x", "--config", path)
			if err == nil || !strings.HasPrefix(err.Error(), path) || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error %v, want the file's name and %q", err, tt.want)
			}
			if ExitCode(err) != exitUsage {
				t.Errorf("exit code %d, want %d", ExitCode(err), exitUsage)
			}
		})
	}
}

func TestEnvironmentRefused(t *testing.T) {
	l := sampleLine{env: map[string]string{"P2PLIVE_NAME": "x", "P2PLIVE_RATE": "fast"}}
	err := l.parse("play")
	if err == nil || !strings.Contains(err.Error(), "environment P2PLIVE_RATE: --rate: ") || ExitCode(err) != exitUsage {
		t.Errorf("error %v, exit code %d", err, ExitCode(err))
	}
}

func TestUnknownVariable(t *testing.T) {
	for _, name := range []string{"P2PLIVE_RAET", "P2PLIVE_HELP", "P2PLIVE_"} {
		l := sampleLine{env: map[string]string{"P2PLIVE_NAME": "x", name: "5M"}}
		err := l.parse("play")
		if err == nil || !strings.Contains(err.Error(), "environment "+name+": there is no such flag") || ExitCode(err) != exitUsage {
			t.Errorf("%s: error %v, exit code %d", name, err, ExitCode(err))
		}
	}
	l := sampleLine{env: map[string]string{"P2PLIVE_NAME": "x", "P2PLIVE_RAET": "", "RATE": "5M", "P2PLIVER": "x"}}
	if err := l.parse("play"); err != nil {
		t.Errorf("variables that are empty or not ours: %v", err)
	}
}

// FuzzConfig holds that no file makes the loader panic, and that what it does
// not take is the user's error and not the program's.
func FuzzConfig(f *testing.F) {
	for _, seed := range []string{
		"", "#", "---", "level: x", "play:", "play: {name: x, rate: 5M, loud: true}",
		"bench:\n  net:\n    addr: [a, b]", "&a [*a]", "a: &a {b: *a}", "? {a: b}\n: c", "level: !!binary aGk=",
		"play: &p {name: x}\nbench: {net: *p}", "%YAML 1.1\n---\nlevel: a", "level: |\n  a\n  b\n",
	} {
		f.Add([]byte(seed))
	}
	parser, err := kong.New(&sampleLine{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		values, err := parseConfig("fuzz.yaml", text, parser.Model.Node)
		if err != nil {
			if ExitCode(err) != exitUsage {
				t.Errorf("exit code %d for %v", ExitCode(err), err)
			}
			return
		}
		for flag, v := range values {
			if flag.Name == configFlag || flag.Name == "help" {
				t.Errorf("file sets --%s to %q", flag.Name, v.text)
			}
		}
	})
}

func TestParseConfigLeavesNoValuesOnError(t *testing.T) {
	values, err := parseConfig("x", []byte("level: a\nnope: b"), testSample(t))
	if coded, ok := errors.AsType[*codedError](err); !ok || coded.code != exitUsage || values != nil {
		t.Errorf("values %v, error %v", values, err)
	}
}

func testSample(t *testing.T) *kong.Node {
	t.Helper()
	parser, err := kong.New(&sampleLine{})
	if err != nil {
		t.Fatal(err)
	}
	return parser.Model.Node
}
