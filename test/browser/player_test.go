// SPDX-License-Identifier: GPL-3.0-or-later

package browser

import (
	"context"
	"fmt"
	"math"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"p2plive/internal/live"
	"p2plive/internal/media/ingest/clip"
	"p2plive/internal/media/play"
	"p2plive/internal/media/segment"
	"p2plive/internal/webui"
	"p2plive/internal/wire"
	"p2plive/test/e2e/proc"
)

// broadcast is the test clip, live, with its own page.
type broadcast struct {
	hub     *play.Hub
	url     string
	lose    atomic.Int64 // video fragments still to be lost
	blocked atomic.Bool  // nothing arrives
}

func (b *broadcast) Catalog(c *wire.Catalog) error {
	b.hub.SetCatalog(c)
	return nil
}

func (b *broadcast) Fragment(f *live.Fragment) error {
	if b.blocked.Load() {
		return nil
	}
	if f.Track == b.video() && !f.Key && b.lose.Load() > 0 {
		b.lose.Add(-1)
		b.hub.Missed(f.Track, f.Seq)
		return nil
	}
	b.hub.Publish(f)
	return nil
}

func (b *broadcast) video() wire.TrackID {
	for _, t := range b.hub.Catalog().Tracks {
		if t.Kind == wire.Video {
			return t.ID
		}
	}
	return 0
}

func newBroadcast(t testing.TB) *broadcast {
	t.Helper()
	in, err := clip.New()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &broadcast{hub: play.NewHub(), url: "http://" + l.Addr().String() + "/"}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() {
		done <- in.Run(ctx, segment.New(segment.Config{Epoch: wire.Epoch(time.Now().UnixMilli()), Title: "Test clip"}, b))
	}()
	go func() { done <- webui.ServePlayer(ctx, l, b.hub, b.status) }()
	t.Cleanup(func() {
		cancel()
		<-done
		<-done
		b.hub.Close()
	})
	return b
}

// status is what a viewer in a swarm would say.
func (b *broadcast) status() any {
	n := time.Now().UnixMilli() % 1e9
	peer := func(id, path, role string, rtt float64, in, out int64) map[string]any {
		return map[string]any{"id": id, "addr": "192.0.2.1:7100", "path": path, "role": role, "rtt_ms": rtt, "bytes_in": in, "bytes_out": out}
	}
	return map[string]any{
		"state": "live", "name": "Test clip", "bytes_from_peers": n * 87 / 4, "bytes_from_edges": n * 13 / 4, "bytes_uploaded": n * 12,
		"latency_ms": map[string]int{"p50": 80, "p95": 120, "p99": 150}, "fragments_played": 100, "fragments_missed": 0, "stalls": 0,
		"peers": []any{
			peer("k7dq2mzxw4tpa", "punched", "viewer", 18.2, 48_210_000, 12_900_000),
			peer("b3hfn5vyr2cje", "lan", "viewer", 0.6, 31_400_000, 40_100_000),
			peer("x9wtg4kse7lum", "mapped", "viewer", 42, 9_870_000, 0),
			peer("e2aqz6jdo3nvb", "edge", "edge", 11.4, 13_300_000, 0),
		},
	}
}

// watcher notes in the page, many times a second, where playback is and what
// the code strip in the picture says.
const watcher = `
	window.samples = [];
	const canvas = document.createElement("canvas");
	canvas.width = 640; canvas.height = 360;
	const brush = canvas.getContext("2d", { willReadFrequently: true });
	setInterval(() => {
		brush.drawImage(video, 0, 0, 640, 360);
		const row = brush.getImageData(0, 8, 640, 1).data;
		const luma = [];
		for (let x = 0; x < 640; x++) luma.push(row[4 * x + 1]);
		samples.push({ now: Date.now(), time: video.currentTime, rate: video.playbackRate, luma });
	}, 100);`

type sample struct {
	Now  int64   `json:"now"`
	Time float64 `json:"time"`
	Rate float64 `json:"rate"`
	Luma []int   `json:"luma"`
}

// age is how old the picture was, by the frame number in its code strip.
func (s sample) age() (time.Duration, bool) {
	n, ok := clip.ReadFrameNumber(640, 360, func(x, _ int) uint8 { return uint8(s.Luma[x]) })
	return clip.Age(n, time.UnixMilli(s.Now)), ok
}

const playing = `document.getElementById("player").dataset.state === "playing"`

// stretch is how long playback is watched.
const stretch = 20 * time.Second

// watch returns what was wrong with playback in one stretch.
func watch(page *tab, logf func(string, ...any)) (problems []string) {
	page.t.Helper()
	wrong := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	stalls := eval[string](page, `document.getElementById("stalls").textContent`)
	eval[[]byte](page, `samples = [], 0`)
	time.Sleep(stretch)
	samples := eval[[]sample](page, `samples`)
	first, last := samples[0], samples[len(samples)-1]
	if played, passed := last.Time-first.Time, float64(last.Now-first.Now)/1000; math.Abs(played/passed-1) > 0.02 {
		wrong("played %.2f s in %.2f s", played, passed)
	}
	var ages []time.Duration
	still := 0
	for i, s := range samples {
		if age, ok := s.age(); ok {
			ages = append(ages, age)
		}
		if i > 0 && s.Time == samples[i-1].Time {
			still++
		}
	}
	if still > 0 {
		wrong("stands still in %d of %d samples", still, len(samples))
	}
	if now := eval[string](page, `document.getElementById("stalls").textContent`); now != stalls {
		wrong("stalls: %s, then %s", stalls, now)
	}
	if len(ages) < len(samples)*9/10 {
		wrong("code strip readable in %d of %d pictures", len(ages), len(samples))
		return problems
	}
	slices.Sort(ages)
	p50, p95 := ages[len(ages)/2], ages[len(ages)*95/100]
	logf("picture is %v behind the clip (median), %v (95%%), worst %v",
		p50.Round(time.Millisecond), p95.Round(time.Millisecond), ages[len(ages)-1].Round(time.Millisecond))
	if p95 > 500*time.Millisecond {
		wrong("95%% of the pictures are up to %v old, want 500ms", p95)
	}
	return problems
}

// TestDemo plays what `p2plive demo` carries through its swarm. The program is
// built without the race detector: it shares two cores with the browser.
func TestDemo(t *testing.T) {
	program, err := proc.BuildFast(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	addr := proc.FreeAddr(t)
	demo := proc.Start(t, proc.Spec{Name: "demo", Path: program, Args: []string{"demo", "--http", addr}})
	greeting, ok := demo.Stdout.Await(5*time.Second, func(l proc.Line) bool { return strings.Contains(l.Text, addr) })
	if !ok {
		t.Fatal("the demo does not say where to watch")
	}
	page := open(t, "http://"+addr+"/", chromedp.Flag("autoplay-policy", "no-user-gesture-required"))
	page.until(playing, 5*time.Second)
	page.until(`video.currentTime > 1`, 5*time.Second)
	eval[[]byte](page, watcher+"0")
	const attempts = 3
	for attempt := 1; ; attempt++ {
		var problems []string
		pause := proc.LongestPause(func() { problems = watch(page, t.Logf) })
		if len(problems) == 0 {
			break
		}
		t.Logf("stretch %d: %s; longest pause of this machine %v", attempt, strings.Join(problems, "; "), pause)
		// A machine that stands still stops a browser, whatever the page
		// does: such a stretch is watched again, and no other.
		if pause <= proc.PauseLimit || attempt == attempts {
			t.Error(strings.Join(problems, "; "))
			break
		}
	}
	if eval[bool](page, `video.muted || video.webkitAudioDecodedByteCount === 0`) {
		t.Error("no sound is decoded")
	}
	if eval[int](page, `video.getVideoPlaybackQuality().totalVideoFrames`) < 500 {
		t.Error("too few frames decoded")
	}
	page.quiet()

	page.picture("player-light", 1200, 1120, "light")
	page.picture("player-dark", 1200, 1120, "dark")
	page.picture("player-phone", 390, 844, "dark")
	eval[[]byte](page, `document.querySelector("details").open = true, 0`)
	page.picture("player-peers", 1200, 1250, "light")
	page.picture("player-phone-peers", 390, 1100, "light")

	words := strings.Fields(greeting.Text)
	direct := open(t, words[len(words)-1], chromedp.Flag("autoplay-policy", "no-user-gesture-required"))
	direct.until(playing+` && video.currentTime > 2`, 10*time.Second)
	direct.quiet()
}

func TestPlayerSurvives(t *testing.T) {
	b := newBroadcast(t)
	page := open(t, b.url, chromedp.Flag("autoplay-policy", "no-user-gesture-required"))
	page.until(playing, 10*time.Second)
	page.until(`video.currentTime > 1`, 5*time.Second)

	advances := func(what string) {
		t.Helper()
		from := eval[float64](page, `video.currentTime`)
		page.until(fmt.Sprintf(`video.currentTime > %f && %s`, from+2, playing), 10*time.Second)
		t.Logf("goes on after %s", what)
	}
	stalls := eval[string](page, `document.getElementById("stalls").textContent`)
	b.lose.Store(1)
	advances("a lost picture")
	b.lose.Store(4)
	advances("four lost pictures")
	if now := eval[string](page, `document.getElementById("stalls").textContent`); now != stalls {
		t.Errorf("stalls: %s, after lost pictures %s", stalls, now)
	}

	b.blocked.Store(true)
	page.until(`document.getElementById("player").dataset.state === "stalled"`, 5*time.Second)
	page.picture("player-stalled", 1200, 1120, "light")
	b.blocked.Store(false)
	advances("a pause of the network")

	eval[[]byte](page, `document.body.dispatchEvent(new KeyboardEvent("keydown", { key: " ", bubbles: true })), 0`)
	page.until(`video.paused`, time.Second)
	from := eval[float64](page, `video.currentTime`)
	time.Sleep(3 * time.Second) // the user's pause
	eval[[]byte](page, `document.body.dispatchEvent(new KeyboardEvent("keydown", { key: " ", bubbles: true })), 0`)
	page.until(fmt.Sprintf(`!video.paused && video.currentTime > %f`, from+3), 3*time.Second)
	advances("a pause of the user")
	page.quiet()
}

func TestMutedAutoplay(t *testing.T) {
	b := newBroadcast(t)
	page := open(t, b.url, chromedp.Flag("autoplay-policy", "document-user-activation-required"))
	page.until(playing, 10*time.Second)
	page.until(`video.muted && !document.getElementById("unmute").hidden`, time.Second)
	page.picture("player-muted", 1200, 1120, "light")
	if err := chromedp.Do(page.ctx, chromedp.Click(chromedp.CSS("#unmute"))); err != nil {
		t.Fatal(err)
	}
	page.until(`!video.muted && document.getElementById("unmute").hidden && !video.paused`, time.Second)
	page.until(`video.currentTime > 2`, 5*time.Second)
	page.quiet()
}
