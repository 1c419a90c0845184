// SPDX-License-Identifier: GPL-3.0-or-later

package hls

import (
	"fmt"
	"math"
	"strings"
	"time"

	"p2plive/internal/wire"
)

// guessedBitrate stands in a multivariant playlist, which has to name one,
// for a track whose source does not tell its bitrate.
const guessedBitrate = 2_000_000

// multivariant lists the tracks. Every video track is a variant; all of them
// share the audio tracks.
func multivariant(session string, tracks []*wire.Track) string {
	var b strings.Builder
	b.WriteString("#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-INDEPENDENT-SEGMENTS\n")
	var videos, audios []*wire.Track
	for _, t := range tracks {
		if t.Kind == wire.Video {
			videos = append(videos, t)
		} else {
			audios = append(audios, t)
		}
	}
	if len(videos) == 0 {
		for _, t := range audios {
			fmt.Fprintf(&b, "#EXT-X-STREAM-INF:BANDWIDTH=%d,CODECS=%q\nhls/%s/%d.m3u8\n",
				bitrate(t), codec(t), session, t.ID)
		}
		return b.String()
	}
	codecs, audioRate, group := "", uint32(0), ""
	for i, t := range audios {
		if i == 0 {
			codecs, group = ","+codec(t), `,AUDIO="audio"`
		}
		audioRate = max(audioRate, bitrate(t))
		name, language, first := t.Language, "", "NO"
		if name == "" {
			name = fmt.Sprintf("audio %d", i+1)
		} else {
			language = fmt.Sprintf(",LANGUAGE=%q", quotable(t.Language))
		}
		if i == 0 {
			first = "YES"
		}
		fmt.Fprintf(&b, "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=%q%s,DEFAULT=%s,AUTOSELECT=YES,URI=\"hls/%s/%d.m3u8\"\n",
			quotable(name), language, first, session, t.ID)
	}
	for _, t := range videos {
		fmt.Fprintf(&b, "#EXT-X-STREAM-INF:BANDWIDTH=%d,CODECS=\"%s%s\"%s%s\nhls/%s/%d.m3u8\n",
			bitrate(t)+audioRate, codec(t), codecs, resolution(t), group, session, t.ID)
	}
	return b.String()
}

func resolution(t *wire.Track) string {
	if t.Width == 0 || t.Height == 0 {
		return ""
	}
	return fmt.Sprintf(",RESOLUTION=%dx%d", t.Width, t.Height)
}

// codec and quotable keep what the source says from breaking out of a quoted
// string.
func codec(t *wire.Track) string { return quotable(t.Codec) }

func quotable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			return -1
		}
		return r
	}, s)
}

func bitrate(t *wire.Track) uint32 {
	if t.Bitrate == 0 {
		return guessedBitrate
	}
	return t.Bitrate
}

// playlist lists the rendition's segments, the newest with their parts.
func (r *rendition) playlist(ended bool) string {
	var b strings.Builder
	target := math.Ceil(max(r.longest, minSegment).Seconds())
	fmt.Fprintf(&b, "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:%.0f\n", target)
	fmt.Fprintf(&b, "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=%.3f\n", (3 * partTarget).Seconds())
	fmt.Fprintf(&b, "#EXT-X-PART-INF:PART-TARGET=%.3f\n", partTarget.Seconds())
	if len(r.segments) > 0 {
		fmt.Fprintf(&b, "#EXT-X-MEDIA-SEQUENCE:%d\n", r.segments[0].number)
	}
	if r.dropped > 0 {
		fmt.Fprintf(&b, "#EXT-X-DISCONTINUITY-SEQUENCE:%d\n", r.dropped)
	}
	for i, s := range r.segments {
		open := i == len(r.segments)-1
		if open && len(s.parts) == 0 {
			break
		}
		if s.discontinuity {
			b.WriteString("#EXT-X-DISCONTINUITY\n")
		}
		if i == 0 || s.init != r.segments[i-1].init {
			fmt.Fprintf(&b, "#EXT-X-MAP:URI=\"%d/init-%d.mp4\"\n", r.track.ID, s.init)
		}
		fmt.Fprintf(&b, "#EXT-X-PROGRAM-DATE-TIME:%s\n", time.UnixMilli(s.wall).UTC().Format("2006-01-02T15:04:05.000Z"))
		if i >= len(r.segments)-partSegments {
			r.listParts(&b, s)
		}
		if !open {
			fmt.Fprintf(&b, "#EXTINF:%.5f,\n%d/%d.m4s\n", s.duration.Seconds(), r.track.ID, s.number)
		}
	}
	if s := r.open(); ended {
		b.WriteString("#EXT-X-ENDLIST\n")
	} else if s != nil {
		fmt.Fprintf(&b, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"%d/%d.%d.m4s\"\n", r.track.ID, s.number, len(s.parts))
	}
	return b.String()
}

func (r *rendition) listParts(b *strings.Builder, s *segment) {
	for i, p := range s.parts {
		independent := ""
		if p.independent {
			independent = ",INDEPENDENT=YES"
		}
		fmt.Fprintf(b, "#EXT-X-PART:DURATION=%.5f,URI=\"%d/%d.%d.m4s\"%s\n",
			p.duration.Seconds(), r.track.ID, s.number, i, independent)
	}
}
