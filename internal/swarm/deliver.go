// SPDX-License-Identifier: GPL-3.0-or-later

package swarm

import (
	"time"

	"p2plive/internal/wire"
)

// deliver hands on the fragments of a track that are next and complete, and
// gives up those whose time is over.
func (m *Machine) deliver(t *track) {
	if !t.begun || !t.playing && !m.start(t) {
		return
	}
	for {
		f := t.frag(t.next)
		switch {
		case t.next < t.base:
			// It has left the window.
			m.miss(t)
		case f == nil:
			return
		case f.complete():
			m.stats.Delivered++
			m.out.Deliver(Deliver{Track: t.info.ID, Seq: t.next})
			t.next++
		case m.expired(t, f):
			m.giveUp(f)
			m.miss(t)
		default:
			return
		}
	}
}

func (m *Machine) miss(t *track) {
	m.stats.Missed++
	m.emit(Missed{Track: t.info.ID, Seq: t.next})
	t.next++
}

func (m *Machine) giveUp(f *fragment) {
	if f.open != nil {
		m.releaseFragment(f)
		f.open.over = true
	}
}

// expired reports whether a fragment is to be given up. The play delay counts from the
// moment at which the fragment was proved to exist: after an outage of the
// whole stream nothing is lost. With nothing newer, there is nothing to go on
// with, and no reason to give up.
func (m *Machine) expired(t *track, f *fragment) bool {
	if !f.open.isProof || t.provenSeq <= f.seq {
		return false
	}
	if f.backlog {
		return m.now >= t.begunAt+max(startPatience, m.cfg.PlayDelay)
	}
	return m.now >= f.open.proved+m.cfg.PlayDelay
}

// start lets play begin if the fragment to begin with is there.
func (m *Machine) start(t *track) bool {
	if t.empty() {
		return false
	}
	late := m.now >= t.begunAt+startPatience
	var seq wire.Seq
	var ok bool
	if t.info.Kind == wire.Video {
		seq, ok = t.videoStart(late)
	} else {
		seq, ok = m.audioStart(t, late)
	}
	if !ok {
		return false
	}
	for s := t.base; s < seq; s++ {
		if f := t.frag(s); f != nil {
			m.giveUp(f)
		}
	}
	t.playing, t.next = true, seq
	t.startsAt = t.micros(t.frag(seq).base)
	if t.info.Kind == wire.Video {
		// Audio may have been waiting for it.
		for _, a := range m.tracks {
			if a.info.Kind != wire.Video {
				m.deliver(a)
			}
		}
	}
	return true
}

// videoStart returns the first key fragment, if it is complete. A later one
// is taken if the first proves to be none, or does not come.
func (t *track) videoStart(late bool) (wire.Seq, bool) {
	for seq := max(t.first, t.base); seq <= t.newest(); seq++ {
		f := t.frag(seq)
		switch {
		case f.complete() && f.key:
			return seq, true
		case f.got > 0 && !f.key:
		case !late:
			return 0, false
		}
	}
	return 0, false
}

// audioStart returns the fragment nearest to where the video has started, however far
// that has come since: what is fetched of a video may be there before any audio is.
func (m *Machine) audioStart(t *track, late bool) (wire.Seq, bool) {
	newest, ok := t.newestHeld()
	if !ok {
		return 0, false
	}
	seq := max(t.first, t.base)
	video, waiting := m.startedVideo()
	if waiting && !late {
		return 0, false
	}
	if video != nil {
		seq = max(t.at(video.startsAt, newest), t.base)
	}
	for ; seq <= t.newest(); seq++ {
		if t.frag(seq).complete() {
			return seq, true
		}
		if !late {
			return 0, false
		}
	}
	return 0, false
}

// startedVideo returns a video track that has started, nil if none has, and whether
// there is one that has yet to.
func (m *Machine) startedVideo() (started *track, waiting bool) {
	for _, v := range m.tracks {
		switch {
		case v.info.Kind != wire.Video:
		case v.playing:
			return v, false
		default:
			waiting = true
		}
	}
	return nil, waiting
}

// lag returns how far play is behind the quickest piece, over all tracks.
func (m *Machine) lag() time.Duration {
	var lag time.Duration
	for _, t := range m.tracks {
		lag = max(lag, t.lag.last)
	}
	return lag
}
