// SPDX-License-Identifier: GPL-3.0-or-later

package report

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// JSON prints the report as one object.
func (r *Report) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// Text prints the report for a terminal.
func (r *Report) Text(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\n\n", r.Command, r.Machine)
	columns(&b, r.goals())
	b.WriteString("\nall that was measured\n\n")
	columns(&b, r.measures())
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "\nnote: %s", n)
	}
	if len(r.Notes) > 0 {
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Markdown prints the report for docs/performance.md.
func (r *Report) Markdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Printed by `%s` in %.0f s, on %s\n\n", r.Command, r.Seconds, r.Machine)
	table(&b, r.goals())
	b.WriteString("\nAll that was measured:\n\n")
	table(&b, r.measures())
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "\n- %s", n)
	}
	if len(r.Notes) > 0 {
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Report) goals() [][]string {
	lines := [][]string{{"figure", "rudp", "peer", "ratio", "must", "moonshot", "met"}}
	for _, row := range r.Rows {
		peer, ratio := "", ""
		if row.Theirs != nil {
			peer = number(*row.Theirs) + " " + row.Peer
			ratio = number(row.Reached)
		}
		lines = append(lines, []string{
			row.Figure + ", " + row.Unit, number(row.Ours), peer, ratio,
			goal(row.Must), goal(row.Moonshot), row.Met,
		})
	}
	return lines
}

func (r *Report) measures() [][]string {
	lines := [][]string{{"figure", "transport", "median", "least", "most", "rounds"}}
	for _, m := range r.Measures {
		lines = append(lines, []string{
			m.Figure + ", " + m.Unit, m.Transport, number(m.Median()),
			number(slices.Min(m.Rounds)), number(slices.Max(m.Rounds)), strconv.Itoa(len(m.Rounds)),
		})
	}
	return lines
}

func goal(v *float64) string {
	if v == nil {
		return ""
	}
	return number(*v)
}

// number has three significant digits.
func number(v float64) string {
	if v == 0 {
		return "0"
	}
	digits := max(0, 2-int(math.Floor(math.Log10(math.Abs(v)))))
	s := strconv.FormatFloat(v, 'f', min(digits, 4), 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// columns aligns the first column to the left, the others to the right.
func columns(b *strings.Builder, lines [][]string) {
	width := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, cell := range line {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	for _, line := range lines {
		for i, cell := range line {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				b.WriteString(cell + pad)
			} else {
				b.WriteString("  " + pad + cell)
			}
		}
		b.WriteByte('\n')
	}
}

func table(b *strings.Builder, lines [][]string) {
	for i, line := range lines {
		fmt.Fprintf(b, "| %s |\n", strings.Join(line, " | "))
		if i == 0 {
			fmt.Fprintf(b, "|---%s|\n", strings.Repeat("|---:", len(line)-1))
		}
	}
}
