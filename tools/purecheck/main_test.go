// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheckFile(t *testing.T) {
	tests := map[string]struct {
		imports, body string
		want          string // part of the only fault; empty: none
	}{
		"types of time":     {`"time"`, `var _ time.Duration = time.Second`, ""},
		"clock":             {`"time"`, `var _ = time.Now()`, "time.Now"},
		"clock, renamed":    {`clock "time"`, `var _ = clock.Now()`, "clock.Now"},
		"waiting":           {`"time"`, `func f() { time.Sleep(1) }`, "time.Sleep"},
		"goroutine":         {`"time"`, `func f(time.Duration) { go f(0) }`, "go statement"},
		"seeded random":     {`"math/rand/v2"`, `var _ = rand.New(rand.NewPCG(1, 2)).IntN(3)`, ""},
		"unseeded random":   {`"math/rand/v2"`, `var _ = rand.IntN(3)`, "rand.IntN"},
		"local of the name": {`_ "time"`, `func f(time struct{ Now int }) int { return time.Now }`, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.go")
			src := "package x\nimport " + tt.imports + "\n" + tt.body + "\n"
			if err := os.WriteFile(path, []byte(src), 0o600); err != nil {
				t.Fatal(err)
			}
			faults, err := checkFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Join(faults, "\n")
			if (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) || len(faults) > 1 {
				t.Errorf("faults %q, want %q", got, tt.want)
			}
		})
	}
}
