// SPDX-License-Identifier: GPL-3.0-or-later

package cli

import (
	"encoding"
	"net/netip"
	"testing"
	"time"
)

func TestBitRate(t *testing.T) {
	good := map[string]bitRate{
		"0": 0, "1": 1, "64000": 64_000, "500k": 500_000, "500K": 500_000,
		"5M": 5_000_000, "5m": 5_000_000, "2.5M": 2_500_000, "1G": 1_000_000_000, "0.0015k": 2, "1000G": 1e12,
	}
	for text, want := range good {
		var got bitRate
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "M", "-5M", "+5M", "5MM", "5 M", "5Mbit", "1e6", "0x10", "Inf", "NaN", "1_000", "1.2.3", "1001G", "9999999999999999999999"} {
		var got bitRate
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q: %d, want an error", text, got)
		}
	}
	if got := bitRate(5_000_000).bytesPerSecond(); got != 625_000 {
		t.Errorf("5M = %d B/s, want 625000", got)
	}
}

func TestValues(t *testing.T) {
	tests := map[string]struct {
		value     encoding.TextUnmarshaler
		good, bad []string
	}{
		"listen": {
			value: new(listenAddr),
			good:  []string{":7000", "127.0.0.1:0", "[::1]:7000", "localhost:7000", "[fe80::1%eth0]:1"},
			bad:   []string{"", "7000", ":", ":http", ":65536", ":-1", "a:b:c", "::1:7000", "[::1"},
		},
		"public": {
			value: new(publicAddr),
			good:  []string{"192.0.2.1:7100", "[2001:db8::1]:7100", "edge.example:7100"},
			bad:   []string{"", ":7100", "192.0.2.1", "192.0.2.1:0", "192.0.2.1:x"},
		},
		"tracker": {
			value: new(trackerURL),
			good:  []string{"http://tracker.example:7000", "https://tracker.example/", "http://[::1]:7000"},
			bad:   []string{"", "tracker.example:7000", "ftp://tracker.example", "http://", "http://tracker.example/s/name"},
		},
		"name": {
			value: new(streamName),
			good:  []string{"radio", "My-Radio", "a.b_c"},
			bad:   []string{"", "a/b", "-a", "a b", ".."},
		},
		"link": {
			value: new(streamLink),
			good:  []string{"http://tracker.example:7000/s/radio"},
			bad:   []string{"", "radio", "http://tracker.example:7000/", "http://tracker.example:7000/s/", "file:///s/radio"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for _, text := range tt.good {
				if err := tt.value.UnmarshalText([]byte(text)); err != nil {
					t.Errorf("%q: %v", text, err)
				}
			}
			for _, text := range tt.bad {
				if err := tt.value.UnmarshalText([]byte(text)); err == nil {
					t.Errorf("%q is taken, want an error", text)
				}
			}
		})
	}
}

func TestCheckDuration(t *testing.T) {
	if err := checkDuration(0); err != nil {
		t.Error(err)
	}
	if err := checkDuration(-time.Second); err == nil {
		t.Error("a negative duration is taken")
	}
}

func TestIPNetwork(t *testing.T) {
	for text, want := range map[string]string{
		"127.0.0.1": "127.0.0.1/32", "::1": "::1/128", "10.1.2.3/8": "10.0.0.0/8", "2001:db8::/32": "2001:db8::/32",
		"": "", "10.0.0.0/33": "", "localhost": "", "fe80::1%eth0": "",
	} {
		var got ipNetwork
		err := got.UnmarshalText([]byte(text))
		if (err != nil) != (want == "") || err == nil && netip.Prefix(got).String() != want {
			t.Errorf("%q: %v, %v", text, netip.Prefix(got), err)
		}
	}
}
