// SPDX-License-Identifier: GPL-3.0-or-later

package browser

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// tab is one page in a browser of its own.
type tab struct {
	ctx context.Context
	t   testing.TB

	mu         sync.Mutex
	complaints []string // errors on the page's console
}

// open starts a browser and opens a page in it.
func open(t testing.TB, url string, flags ...chromedp.ExecAllocatorOption) *tab {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(cmp.Or(os.Getenv("CHROMIUM"), "/usr/bin/chromium")),
		chromedp.NoSandbox, // tests run as root
		chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-gpu", true),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("mute-audio", false),
	)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	ctx, closeBrowser := chromedp.NewExecAllocator(ctx, append(options, flags...)...)
	t.Cleanup(closeBrowser)
	b := &tab{t: t}
	b.ctx, cancel = chromedp.NewContext(ctx, chromedp.WithListener(b.listen))
	t.Cleanup(cancel)
	if err := chromedp.Do(b.ctx, chromedp.EmulateViewport(1200, 900), chromedp.Navigate(url)); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *tab) listen(event any) {
	var text string
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		text = e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			text += " " + e.ExceptionDetails.Exception.Description
		}
	case *log.EventEntryAdded:
		// A page that looks for a stream which is not there yet asks for
		// addresses that are not there yet.
		if e.Entry.Level != log.EntryLevelError || e.Entry.Source == log.EntrySourceNetwork {
			return
		}
		text = e.Entry.Text
	default:
		return
	}
	b.mu.Lock()
	b.complaints = append(b.complaints, text)
	b.mu.Unlock()
}

// quiet fails the test if the page has complained.
func (b *tab) quiet() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.complaints) > 0 {
		b.t.Errorf("the page complains: %s", strings.Join(b.complaints, "; "))
	}
}

// eval returns the value of an expression in the page.
func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// describe says what a page shows, and where its player is.
const describe = `(() => {
	const v = document.querySelector("video");
	if (!v) return document.body.innerText;
	const ranges = [];
	for (let i = 0; i < v.buffered.length; i++) ranges.push(v.buffered.start(i).toFixed(3) + "-" + v.buffered.end(i).toFixed(3));
	return document.body.innerText + "\nat " + v.currentTime + ", ready " + v.readyState + ", seeking " + v.seeking +
		", paused " + v.paused + ", muted " + v.muted + ", buffered " + ranges.join(" ") + ", error " + v.error?.message;
})()`

// until waits until an expression is true in the page.
func (b *tab) until(expression string, within time.Duration) {
	b.t.Helper()
	for deadline := time.Now().Add(within); !eval[bool](b, expression); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			state := eval[string](b, describe)
			b.t.Fatalf("not within %v: %s\nthe page says:\n%s", within, expression, state)
		}
	}
}

// picture saves a screenshot to the directory that SCREENSHOTS names, if any.
func (b *tab) picture(name string, width, height int64, scheme string) {
	b.t.Helper()
	dir := os.Getenv("SCREENSHOTS")
	if dir == "" {
		return
	}
	dark := chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
		return err
	})
	if err := chromedp.Do(b.ctx, chromedp.EmulateViewport(width, height), dark); err != nil {
		b.t.Fatal(err)
	}
	time.Sleep(500 * time.Millisecond) // a picture of the page at rest
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}
