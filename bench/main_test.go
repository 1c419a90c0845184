// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"p2plive/bench/internal/report"
	"p2plive/bench/internal/suite"
)

func TestMain(m *testing.M) {
	if suite.RunAgent() {
		return
	}
	os.Exit(m.Run())
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{"-only", "nothing"}, {"-with", "rudp,nothing"}, {"-rounds", "-1"}, {"extra"}, {"-wrong"}} {
		if code := run(t.Context(), args, t.Output(), t.Output()); code != exitUsage {
			t.Errorf("%q gives exit code %d, want %d", args, code, exitUsage)
		}
	}
	if code := run(t.Context(), []string{"-h"}, t.Output(), t.Output()); code != exitDone {
		t.Errorf("-h gives exit code %d, want %d", code, exitDone)
	}
}

func TestPrint(t *testing.T) {
	var s suite.Suite
	s.Report.Command = "make bench-rudp"
	s.Report.Notes = []string{"a note"}
	s.Report.Add("cost", report.Ours, "s", 3)
	s.Report.Compare([]report.Goal{{Figure: "cost", Must: new(4.0)}})
	for name, o := range map[string]options{"text": {}, "markdown": {markdown: true}, "json": {json: true}} {
		var out bytes.Buffer
		if err := o.print(&s, &out); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"make bench-rudp", "cost", "must", "a note"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s is without %q:\n%s", name, want, out.String())
			}
		}
		if o.json && !json.Valid(out.Bytes()) {
			t.Errorf("not JSON: %s", out.Bytes())
		}
	}
}

func TestTimeLimit(t *testing.T) {
	var errs bytes.Buffer
	if code := run(t.Context(), []string{"-limit", "1ms"}, t.Output(), &errs); code != exitFailed {
		t.Errorf("exit code %d, want %d", code, exitFailed)
	}
	if !strings.Contains(errs.String(), "raise -limit") {
		t.Errorf("says %q", errs.String())
	}
}
