// SPDX-License-Identifier: GPL-3.0-or-later

package signal

import (
	"errors"
	"strings"
	"testing"
)

func TestParseLink(t *testing.T) {
	id := StreamID{1, 2, 3}.String()
	tests := []struct {
		link, tracker, stream string
	}{
		{"http://host:7000/s/radio", "http://host:7000", "radio"},
		{"https://Host.example/s/Radio-1_a.b/", "https://Host.example", "radio-1_a.b"},
		{"http://[::1]:7000/s/" + strings.ToUpper(id), "http://[::1]:7000", id},
		{"http://host:7000/s/radio?autoplay=1#x", "http://host:7000", "radio"},
	}
	for _, tt := range tests {
		tracker, stream, err := ParseLink(tt.link)
		if err != nil || tracker != tt.tracker || stream != tt.stream {
			t.Errorf("ParseLink(%q) = %q, %q, %v", tt.link, tracker, stream, err)
		}
		if again := Link(tracker, stream); err == nil {
			if tr, st, err := ParseLink(again); tr != tracker || st != stream || err != nil {
				t.Errorf("ParseLink(%q) = %q, %q, %v", again, tr, st, err)
			}
		}
	}
}

func TestParseLinkErrors(t *testing.T) {
	for _, tt := range []struct{ link, says string }{
		{"", "http://"},
		{"radio", "must begin with http://"},
		{"rtmp://host/s/radio", "must begin with http://"},
		{"http://host:7000", "no /s/NAME"},
		{"http://host:7000/s/", "no /s/NAME"},
		{"http://host:7000/radio", "no /s/NAME"},
		{"http:///s/radio", "no host"},
		{"http://me:secret@host/s/radio", "user name"},
		{"http://host/s/a b", "may be in it"},
		{"http://host/s/-x", "begin with a letter"},
		{"http://host/s/..", "begin with a letter"},
		{"http://host/s/a/b", "may be in it"},
		{"http://host/s/" + strings.Repeat("a", 65), "1 to 64"},
		{"http://ho st/s/a", "not a URL"},
		{"http://host:port/s/a", "not a URL"},
	} {
		_, _, err := ParseLink(tt.link)
		if !errors.Is(err, ErrBadLink) {
			t.Errorf("ParseLink(%q): %v", tt.link, err)
			continue
		}
		if msg := err.Error(); !strings.Contains(msg, tt.says) || !strings.Contains(msg, linkExample) {
			t.Errorf("ParseLink(%q) says %q, want %q and an example in it", tt.link, msg, tt.says)
		}
	}
}

func TestParseTrackerURL(t *testing.T) {
	for in, want := range map[string]string{
		"http://host:7000":  "http://host:7000",
		"https://host/":     "https://host",
		"http://host/s/one": "",
		"host:7000":         "",
		"":                  "",
	} {
		got, err := ParseTrackerURL(in)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("ParseTrackerURL(%q) = %q, %v", in, got, err)
		}
	}
}

func TestValidName(t *testing.T) {
	for name, want := range map[string]bool{
		"a": true, "0": true, "my-stream_1.tv": true, strings.Repeat("z", 64): true,
		"": false, "A": false, ".": false, "_a": false, "ä": false, "a/b": false, "a\n": false,
		strings.Repeat("z", 65): false, StreamID{9}.String(): false,
	} {
		if got := ValidName(name); got != want {
			t.Errorf("ValidName(%q) = %v", name, got)
		}
	}
}

func FuzzParseLink(f *testing.F) {
	f.Add("http://host:7000/s/radio")
	f.Add("https://[::1]/s/" + StreamID{1}.String())
	f.Add("http://host/s/%2e%2e")
	f.Fuzz(func(t *testing.T, link string) {
		tracker, stream, err := ParseLink(link)
		if err != nil {
			return
		}
		tr, st, err := ParseLink(Link(tracker, stream))
		if err != nil || tr != tracker || st != stream {
			t.Fatalf("%q gives %q and %q, which give %q, %q, %v", link, tracker, stream, tr, st, err)
		}
	})
}
