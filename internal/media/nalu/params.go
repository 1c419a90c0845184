// SPDX-License-Identifier: GPL-3.0-or-later

package nalu

import (
	"bytes"
	"slices"
)

// maxParams bounds the parameter sets of a track, maxParamSize each of them:
// all must fit the 8 KiB of an initialization segment.
const (
	maxParams    = 16
	maxParamSize = 4 << 10
)

// Params follows the parameter sets of a track, which come out of band, in
// band, or both.
type Params struct {
	syntax Syntax
	sets   [][]byte // VPS, SPS, PPS, in that order
}

// NewParams starts with the parameter sets known out of band, if any.
func NewParams(s Syntax, sets [][]byte) *Params {
	p := &Params{syntax: s}
	p.update(sets)
	return p
}

// Sets returns VPS (H.265), SPS and PPS. The slice is never changed later.
func (p *Params) Sets() [][]byte { return p.sets }

// Complete reports whether a decoder could start.
func (p *Params) Complete() bool {
	return Find(p.syntax, SPS, p.sets) != nil && Find(p.syntax, PPS, p.sets) != nil &&
		(p.syntax == H264 || Find(p.syntax, VPS, p.sets) != nil)
}

// Filter takes parameter sets and delimiters out of an access unit. It returns
// the rest, whether a decoder can start there, and whether the sets changed.
func (p *Params) Filter(units [][]byte) (rest [][]byte, key, changed bool) {
	rest = make([][]byte, 0, len(units))
	var sets [][]byte
	for _, u := range units {
		switch p.syntax.Classify(u) {
		case VPS, SPS, PPS:
			sets = append(sets, u)
		case Delimiter:
		case IDR:
			key = true
			rest = append(rest, u)
		case Other:
			rest = append(rest, u)
		}
	}
	return rest, key, p.update(sets)
}

// update replaces the sets if the new ones differ. New sets with an SPS
// replace everything; PPS alone replace or join those of the same first bytes.
func (p *Params) update(sets [][]byte) bool {
	if len(sets) == 0 || len(sets) > maxParams {
		return false
	}
	var next [][]byte
	for _, c := range []Class{VPS, SPS, PPS} {
		have := p.of(c, p.sets)
		if got := p.of(c, sets); len(got) > 0 {
			have = got
			if c == PPS && Find(p.syntax, SPS, sets) == nil {
				have = merge(p.of(c, p.sets), got)
			}
		}
		next = append(next, have...)
	}
	if len(next) > maxParams || slices.EqualFunc(next, p.sets, bytes.Equal) {
		return false
	}
	for i := range next {
		next[i] = bytes.Clone(next[i])
	}
	p.sets = next
	return true
}

func (p *Params) of(c Class, sets [][]byte) [][]byte {
	var out [][]byte
	for _, s := range sets {
		if p.syntax.Classify(s) == c && len(s) <= maxParamSize && !contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

func merge(old, fresh [][]byte) [][]byte {
	if len(fresh) >= len(old) {
		return fresh
	}
	out := slices.Clone(old)
	for _, s := range fresh {
		if !contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

func contains(sets [][]byte, s []byte) bool {
	return slices.ContainsFunc(sets, func(o []byte) bool { return bytes.Equal(o, s) })
}
