// SPDX-License-Identifier: GPL-3.0-or-later

package e2e

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"p2plive/test/e2e/proc"
)

// Exit codes of the program.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitUnreachable = 3
)

// failure is what a command that cannot do its work comes to.
type failure struct {
	code int
	text string // part of the one line that says why
}

// wantFailure runs a command and checks its exit code and its one line.
func wantFailure(t *testing.T, want failure, env []string, args ...string) {
	t.Helper()
	p := checked(t).start(proc.Spec{Name: args[0], Args: args, Env: env})
	checkFailure(t, p, want)
}

// checkFailure waits for the end of a process that has to fail.
func checkFailure(t *testing.T, p *proc.Process, want failure) {
	t.Helper()
	if code := p.Wait(startTime); code != want.code {
		t.Errorf("exit code %d, want %d", code, want.code)
	}
	var said []string
	for _, line := range p.Stderr.All() {
		if !isLog(line.Text) {
			said = append(said, line.Text)
		}
	}
	if len(said) != 1 || !strings.HasPrefix(said[0], "p2plive: ") || !strings.Contains(said[0], want.text) {
		t.Errorf("standard error says %q, want one line of p2plive with %q", said, want.text)
	}
}

// isLog reports whether a line is one of the program's log.
func isLog(line string) bool { return strings.HasPrefix(line, "time=") }

func TestBadUsage(t *testing.T) {
	t.Parallel()
	const tracker = "http://127.0.0.1:9"
	config := func(text string) string { return writeFile(t, "config.yaml", text) }
	tests := map[string]struct {
		text string
		env  []string
		args []string
	}{
		"unknown command":      {text: "see p2plive --help", args: []string{"serve"}},
		"unknown flag":         {text: "unknown flag --loud", args: []string{"watch", "--loud", tracker + "/s/x"}},
		"no link":              {text: "<link>", args: []string{"watch"}},
		"link without stream":  {text: "a link looks like", args: []string{"watch", tracker}},
		"link of another kind": {text: "a link looks like", args: []string{"watch", "rtmp://127.0.0.1/s/x"}},
		"name in a link":       {text: "bad stream name", args: []string{"watch", tracker + "/s/a%20b"}},
		"bad tracker":          {text: "bad tracker address", args: []string{"edge", "--tracker", "127.0.0.1:7000"}},
		"bad name":             {text: "bad stream name", args: []string{"source", "--tracker", tracker, "--name", "a b"}},
		"bad input":            {text: "is no input", args: []string{"source", "--tracker", tracker, "--name", "x", "--input", "http://x"}},
		"bad port":             {text: "--udp", args: []string{"edge", "--tracker", tracker, "--udp", ":70000"}},
		"bad rate":             {text: "--upload-limit", args: []string{"watch", tracker + "/s/x", "--upload-limit", "fast"}},
		"bad duration":         {text: "--duration", args: []string{"demo", "--duration", "-3s"}},
		"bad ending":           {text: ".mp4 or .ts", args: []string{"watch", tracker + "/s/x", "--out", "x.avi"}},
		"two on stdout":        {text: "--json and --out -", args: []string{"watch", tracker + "/s/x", "--out", "-", "--json"}},
		"no such player":       {text: "--player", args: []string{"watch", tracker + "/s/x", "--player", "cat"}},
		"no such strategy":     {text: "--strategy", args: []string{"tracker", "--strategy", "best"}},
		"no viewers":           {text: "--viewers", args: []string{"demo", "--viewers", "0"}},
		"no key file":          {text: "no such file", args: []string{"tracker", "--edge-key-file", filepath.Join(t.TempDir(), "none")}},
		"no config file":       {text: "no such file", args: []string{"tracker", "--config", filepath.Join(t.TempDir(), "none")}},
		"key of no flag":       {text: `unknown key "watch.loud"`, args: []string{"version", "--config", config("watch:\n  loud: true\n")}},
		"key of no command":    {text: `unknown key "wach"`, args: []string{"version", "--config", config("wach:\n  json: true\n")}},
		"bad value in file":    {text: "config.yaml:2", args: []string{"edge", "--config", config("edge:\n  tracker: x\n")}},
		"bad value in env":     {text: "P2PLIVE_UPLOAD_LIMIT", env: []string{"P2PLIVE_UPLOAD_LIMIT=fast"}, args: []string{"watch", tracker + "/s/x"}},
		"unknown env":          {text: "P2PLIVE_UPLOAD_LIMT", env: []string{"P2PLIVE_UPLOAD_LIMT=5M"}, args: []string{"watch", tracker + "/s/x"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			wantFailure(t, failure{exitUsage, tt.text}, tt.env, tt.args...)
		})
	}
}

func TestPortInUse(t *testing.T) {
	t.Parallel()
	taken := proc.FreeAddr(t)
	tcp, err := net.Listen("tcp", taken)
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	udp, err := net.ListenPacket("udp", taken)
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	const any, tracker = "127.0.0.1:0", "http://127.0.0.1:9"
	tests := map[string][]string{
		"tracker HTTP": {"tracker", "--listen", taken, "--udp", any},
		"tracker UDP":  {"tracker", "--listen", any, "--udp", taken},
		"edge HTTP":    {"edge", "--tracker", tracker, "--http", taken, "--udp", any},
		"edge UDP":     {"edge", "--tracker", tracker, "--http", any, "--udp", taken},
		"source HTTP":  {"source", "--tracker", tracker, "--name", "x", "--input", "demo", "--http", taken, "--udp", any},
		"source UDP":   {"source", "--tracker", tracker, "--name", "x", "--input", "demo", "--http", any, "--udp", taken},
		"source RTMP":  {"source", "--tracker", tracker, "--name", "x", "--input", "rtmp://" + taken, "--http", any, "--udp", any},
		"watch HTTP":   {"watch", tracker + "/s/x", "--http", taken, "--udp", any},
		"watch UDP":    {"watch", tracker + "/s/x", "--http", any, "--udp", taken},
		"demo HTTP":    {"demo", "--http", taken},
	}
	for name, args := range tests {
		t.Run(name, func(t *testing.T) {
			wantFailure(t, failure{exitFailed, proc.Port(taken)}, nil, args...)
		})
	}
}

// TestConfiguration runs a role whose flags stand in the environment and in a
// file.
func TestConfiguration(t *testing.T) {
	t.Parallel()
	listen, udp := proc.FreeAddr(t), proc.FreeAddr(t)
	checked(t).start(proc.Spec{
		Name: "tracker", Args: []string{"tracker"},
		Env: []string{
			"P2PLIVE_LISTEN=" + listen,
			"P2PLIVE_CONFIG=" + writeFile(t, "config.yaml", "tracker:\n  listen: 127.0.0.1:1\n  udp: "+udp+"\nwatch:\n  json: true\n"),
		},
	})
	proc.Eventually(t, startTime, "the tracker is where the environment says", func() error {
		_, err := get("http://" + listen + "/healthz")
		return err
	})
	if conn, err := net.ListenPacket("udp", udp); err == nil {
		conn.Close()
		t.Error("the tracker's UDP port is not where the file says")
	}
}

// TestInputFiles gives sources files that they cannot send.
func TestInputFiles(t *testing.T) {
	t.Parallel()
	tracker := checked(t).tracker()
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	makeMedia(t, file("good.mp4"), "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac", "-movflags", "+faststart")
	makeMedia(t, file("codec.mp4"), "-c:v", "mpeg4", "-c:a", "aac")
	good, err := os.ReadFile(file("good.mp4"))
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"empty.mp4":       nil,
		"cut-index.mp4":   good[:200],         // inside the index
		"cut-media.mp4":   good[:len(good)/2], // the index is whole, the media is not
		"no-index.mp4":    good[len(good)/2:],
		"not-a-video.mp4": []byte(strings.Repeat("This is a shopping list.\n", 100)),
	} {
		if err := os.WriteFile(file(name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tests := map[string]string{ // file: part of the line
		"missing.mp4":     "no such file",
		"empty.mp4":       "empty",
		"cut-index.mp4":   "",
		"cut-media.mp4":   "",
		"no-index.mp4":    "",
		"not-a-video.mp4": "",
		"codec.mp4":       "codec",
		".":               "not a regular file",
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			p := checked(t).run("source", "source", "--tracker", "http://"+tracker.http, "--name", "x",
				"--input", file(name), "--http", "127.0.0.1:0", "--udp", "127.0.0.1:0")
			checkFailure(t, p, failure{exitFailed, text})
			if name != "." && len(p.Stderr.Containing(name)) == 0 {
				t.Error("the line does not name the file")
			}
		})
	}
	t.Run("rubbish on standard input", func(t *testing.T) {
		p := checked(t).start(proc.Spec{
			Name: "source", Stdin: strings.NewReader(strings.Repeat("no MPEG-TS ", 100_000)),
			Args: []string{
				"source", "--tracker", "http://" + tracker.http, "--name", "x", "--input", "-",
				"--http", "127.0.0.1:0", "--udp", "127.0.0.1:0",
			},
		})
		checkFailure(t, p, failure{exitFailed, "MPEG-TS"})
	})
}

// TestKeys gives edges and sources other keys than the tracker asks for.
func TestKeys(t *testing.T) {
	t.Parallel()
	edgeKey, publishKey := writeFile(t, "edge", "edge-secret"), writeFile(t, "publish", "publish-secret")
	wrong := writeFile(t, "wrong", "another-secret")
	tracker := "http://" + checked(t).tracker("--edge-key-file", edgeKey, "--publish-key-file", publishKey).http
	edge := []string{"edge", "--tracker", tracker, "--udp", "127.0.0.1:0", "--http", "127.0.0.1:0"}
	source := []string{"source", "--tracker", tracker, "--name", streamName, "--input", "demo", "--udp", "127.0.0.1:0", "--http", "127.0.0.1:0"}
	t.Run("wrong edge key", func(t *testing.T) {
		wantFailure(t, failure{exitFailed, "wrong edge key"}, nil, append(edge, "--edge-key-file", wrong)...)
	})
	t.Run("no edge key", func(t *testing.T) {
		wantFailure(t, failure{exitFailed, "edge key"}, nil, edge...)
	})
	t.Run("wrong publish key", func(t *testing.T) {
		wantFailure(t, failure{exitFailed, "wrong publish key"}, nil, append(source, "--publish-key-file", wrong)...)
	})
	t.Run("no publish key", func(t *testing.T) {
		wantFailure(t, failure{exitFailed, "publish key"}, nil, source...)
	})
	t.Run("right keys", func(t *testing.T) {
		p2plive := checked(t)
		p2plive.edge(tracker, "--edge-key-file", edgeKey)
		p2plive.source(tracker, "demo", "--publish-key-file", publishKey)
		p2plive.viewer("viewer", tracker+"/s/"+streamName).awaitPlaying(t, time.Now(), playTime)
	})
}
