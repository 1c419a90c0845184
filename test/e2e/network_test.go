// SPDX-License-Identifier: GPL-3.0-or-later

package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"p2plive/test/e2e/proc"
)

const (
	// startTime is what a role may take from its start until it serves: the
	// race detector on two shared cores is slow.
	startTime = 10 * time.Second
	// playTime is what a viewer may take from its start until it plays.
	playTime = 15 * time.Second
)

// node is a running role with the addresses it was given. Started again, it
// has the same ones.
type node struct {
	*proc.Process
	udp, http string
	start     func() *proc.Process
}

// restart starts the role again after its end.
func (n *node) restart() { n.Process = n.start() }

// program is one of the builds of the program, for one test.
type program struct {
	t    *testing.T
	path string
}

// checked is the build with the race detector, where the test has it: for
// everything that is about what happens, and not when.
func checked(t *testing.T) program { return program{t, bin.Checked} }

// fast is the build for what is measured: how much is missed or delayed.
func fast(t *testing.T) program { return program{t, bin.Fast} }

// run starts the program.
func (p program) run(name string, args ...string) *proc.Process {
	p.t.Helper()
	return p.start(proc.Spec{Name: name, Args: args})
}

// start starts the program as spec says. At the test's end it looks at what
// the program has logged.
func (p program) start(spec proc.Spec) *proc.Process {
	p.t.Helper()
	spec.Path = p.path
	process := proc.Start(p.t, spec)
	p.t.Cleanup(func() { checkLog(p.t, process) })
	return process
}

// maxLogged is more than any role has to say in a test, and far less than a
// line for each of the packets and connections that strangers send.
const maxLogged = 60

// checkLog wants a short log, and on standard error nothing that is neither of
// the log nor for the user.
func checkLog(t *testing.T, p *proc.Process) {
	t.Helper()
	lines := p.Stderr.All()
	if len(lines) > maxLogged {
		t.Errorf("%s has logged %d lines", p.Name, len(lines))
	}
	for _, line := range lines {
		if !isLog(line.Text) && !strings.HasPrefix(line.Text, "p2plive: ") && !strings.HasPrefix(line.Text, "watch at http://") {
			t.Errorf("%s: %q is neither of the log nor for the user", p.Name, line.Text)
			return
		}
	}
}

// node starts a role; args makes its arguments from its addresses.
func (p program) node(name string, args func(udp, http string) []string) *node {
	p.t.Helper()
	n := &node{udp: proc.FreeAddr(p.t), http: proc.FreeAddr(p.t)}
	n.start = func() *proc.Process { return p.run(name, args(n.udp, n.http)...) }
	n.restart()
	return n
}

func (p program) tracker(args ...string) *node {
	p.t.Helper()
	n := p.node("tracker", func(udp, http string) []string {
		return append([]string{"tracker", "--listen", http, "--udp", udp}, args...)
	})
	n.awaitHealthy(p.t)
	return n
}

func (p program) edge(tracker string, args ...string) *node {
	p.t.Helper()
	n := p.node("edge", func(udp, http string) []string {
		return append([]string{"edge", "--tracker", tracker, "--udp", udp, "--http", http}, args...)
	})
	n.awaitHealthy(p.t)
	return n
}

// source starts a source and returns when it takes its input.
func (p program) source(tracker, input string, args ...string) *node {
	p.t.Helper()
	n := p.node("source", func(udp, http string) []string {
		return append([]string{
			"source", "--tracker", tracker, "--name", streamName, "--input", input, "--udp", udp, "--http", http,
		}, args...)
	})
	n.awaitLink(p.t)
	return n
}

// awaitLink waits until a source has told its link.
func (n *node) awaitLink(t *testing.T) {
	t.Helper()
	if _, ok := n.Stdout.Await(startTime, contains("link to share: ")); !ok {
		t.Fatalf("%s has not told its link", n.Name)
	}
}

func (n *node) awaitHealthy(t *testing.T) {
	t.Helper()
	proc.Eventually(t, startTime, n.Name+" is up", func() error {
		_, err := get("http://" + n.http + "/healthz")
		return err
	})
}

// network is a tracker, an edge and a source.
type network struct {
	program
	tracker, edge, source *node
	url, link             string
}

const streamName = "test"

// network starts a network whose source sends that input, and returns when an
// edge has the stream.
func (p program) network(input string) *network {
	p.t.Helper()
	n := &network{program: p, tracker: p.tracker()}
	n.url = "http://" + n.tracker.http
	n.link = n.url + "/s/" + streamName
	n.edge = p.edge(n.url)
	n.source = p.source(n.url, input)
	n.awaitLive()
	return n
}

// awaitLive waits until the tracker lists the stream with an edge.
func (n *network) awaitLive() {
	n.t.Helper()
	proc.Eventually(n.t, startTime, "the stream is live at an edge", func() error {
		s, err := streamOf(n.url)
		if err == nil && s.Edges == 0 {
			err = fmt.Errorf("no edge carries it")
		}
		return err
	})
}

// viewers starts that many viewers and waits until all play.
func (n *network) viewers(count int) []*viewer {
	n.t.Helper()
	var all []*viewer
	for i := range count {
		all = append(all, n.viewer(fmt.Sprintf("viewer %d", i+1), n.link))
	}
	for _, v := range all {
		v.awaitPlaying(n.t, time.Now(), playTime)
	}
	return all
}

// listedStream is what scripts read of GET /api/streams.
type listedStream struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Live    bool   `json:"live"`
	Viewers int    `json:"viewers"`
	Edges   int    `json:"edges"`
}

// streamOf returns the test's stream as the tracker lists it.
func streamOf(tracker string) (listedStream, error) {
	body, err := get(tracker + "/api/streams")
	if err != nil {
		return listedStream{}, err
	}
	var answer struct{ Streams []listedStream }
	if err := json.Unmarshal(body, &answer); err != nil {
		return listedStream{}, err
	}
	for _, s := range answer.Streams {
		if s.Name == streamName && s.Live {
			return s, nil
		}
	}
	return listedStream{}, fmt.Errorf("no stream %q in %s", streamName, body)
}

var client = &http.Client{Timeout: 5 * time.Second}

func get(url string) ([]byte, error) {
	resp, err := client.Get(url)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s: %s", url, resp.Status, body)
	}
	return body, err
}

// writeFile makes a file for one test.
func writeFile(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
