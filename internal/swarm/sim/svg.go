// SPDX-License-Identifier: GPL-3.0-or-later

package sim

import (
	"fmt"
	"io"
	"strings"
)

// Plot draws the results as an SVG picture: how lag is distributed, and how
// offload and lag went over time.
func Plot(out io.Writer, results []*Result) error {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n",
		plotWidth, 3*panelHeight)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="white"/>`+"\n", plotWidth, 3*panelHeight)
	lag := panel{title: "share of pieces by lag, ms", maxY: 1}
	offload := panel{title: "offload by second", maxY: 1, top: panelHeight}
	p99 := panel{title: "lag p99 by second, ms", top: 2 * panelHeight}
	for _, r := range results {
		name := "P2P on"
		if !r.P2P {
			name = "P2P off"
		}
		var cdf, share, late []point
		for _, c := range r.LagCDF {
			cdf = append(cdf, point{float64(c.Ms), c.Share})
		}
		for _, s := range r.Timeline {
			share = append(share, point{float64(s.T), s.Offload})
			late = append(late, point{float64(s.T), float64(s.LagP99)})
		}
		lag.add(name, cdf)
		if r.P2P {
			lag.add("lower bound", []point{{r.Bound, 0}, {r.Bound, 1}})
			offload.add(name, share)
		}
		p99.add(name, late)
	}
	for _, p := range []*panel{&lag, &offload, &p99} {
		p.draw(&b)
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(out, b.String())
	return err
}

const (
	plotWidth   = 720
	panelHeight = 240
	left, right = 60, 20
	above       = 34
	below       = 30
)

var colours = []string{"#1565c0", "#c62828", "#2e7d32"}

type point struct{ x, y float64 }

type line struct {
	name   string
	points []point
}

// panel is one diagram with its axes from 0.
type panel struct {
	title      string
	top        int
	maxX, maxY float64
	lines      []line
}

func (p *panel) add(name string, points []point) {
	for _, pt := range points {
		p.maxX, p.maxY = max(p.maxX, pt.x), max(p.maxY, pt.y)
	}
	p.lines = append(p.lines, line{name, points})
}

func (p *panel) draw(b *strings.Builder) {
	if p.maxX == 0 || p.maxY == 0 {
		p.maxX, p.maxY = max(p.maxX, 1), max(p.maxY, 1)
	}
	w, h := float64(plotWidth-left-right), float64(panelHeight-above-below)
	x := func(v float64) float64 { return left + v/p.maxX*w }
	y := func(v float64) float64 { return float64(p.top+above) + (1-v/p.maxY)*h }
	fmt.Fprintf(b, `<text x="%d" y="%d" font-weight="bold">%s</text>`+"\n", left, p.top+18, p.title)
	for i := range 5 {
		v := float64(i) / 4
		fmt.Fprintf(b, `<path d="M%d %.1fH%d" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n",
			left, y(v*p.maxY), plotWidth-right, left-6, y(v*p.maxY)+4, number(v*p.maxY))
		fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n",
			x(v*p.maxX), p.top+panelHeight-12, number(v*p.maxX))
	}
	for i, l := range p.lines {
		colour := colours[i%len(colours)]
		var path strings.Builder
		for j, pt := range l.points {
			letter := "L"
			if j == 0 {
				letter = "M"
			}
			fmt.Fprintf(&path, "%s%.1f %.1f", letter, x(pt.x), y(pt.y))
		}
		fmt.Fprintf(b, `<path d="%s" fill="none" stroke="%s" stroke-width="1.5"/>`+"\n", path.String(), colour)
		fmt.Fprintf(b, `<text x="%d" y="%d" fill="%s" text-anchor="end">%s</text>`+"\n",
			plotWidth-right-100*i, p.top+18, colour, l.name)
	}
}

func number(v float64) string { return strings.TrimSuffix(fmt.Sprintf("%.4g", v), ".0") }
