// SPDX-License-Identifier: GPL-3.0-or-later

package segment

import (
	"errors"
	"testing"
	"time"

	"p2plive/internal/live"
	"p2plive/internal/media"
	"p2plive/internal/wire"
)

// Parameter sets of 320x180 H.264, and AAC LC stereo at 48 kHz.
var (
	testSPS = []byte{0x67, 0x42, 0xc0, 0x0d, 0xda, 0x05, 0x06, 0x7e, 0x7c, 0x04, 0x40, 0x00, 0x00, 0x03, 0x00, 0x40, 0x00, 0x00, 0x0f, 0x23, 0xc5, 0x0a, 0xa8}
	testPPS = []byte{0x68, 0xce, 0x0f, 0xc8}
	testAAC = []byte{0x11, 0x90}
)

func testVideo() media.TrackFormat {
	return media.TrackFormat{Kind: wire.Video, Codec: media.H264, Timescale: 90000, Params: [][]byte{testSPS, testPPS}, Bitrate: 1}
}

func testAudio() media.TrackFormat {
	return media.TrackFormat{Kind: wire.Audio, Codec: media.AAC, Timescale: 48000, Params: [][]byte{testAAC}, Bitrate: 1}
}

// bench runs a segmenter under a clock that the test moves.
type bench struct {
	*Segmenter
	t         *testing.T
	now       time.Time
	catalogs  []*wire.Catalog
	fragments []*live.Fragment
}

func (b *bench) Catalog(c *wire.Catalog) error { b.catalogs = append(b.catalogs, c); return nil }

func (b *bench) Fragment(f *live.Fragment) error { b.fragments = append(b.fragments, f); return nil }

func newBench(t *testing.T, formats ...media.TrackFormat) *bench {
	b := &bench{t: t, now: time.UnixMilli(1_700_000_000_000)}
	b.Segmenter = New(Config{Epoch: wire.Epoch(b.now.UnixMilli()), Now: func() time.Time { return b.now }}, b)
	if len(formats) > 0 {
		b.formats(formats...)
	}
	return b
}

func (b *bench) formats(f ...media.TrackFormat) {
	b.t.Helper()
	if err := b.Formats(f); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) sample(track int, dts int64, key bool) {
	b.t.Helper()
	if err := b.Sample(media.Sample{Track: track, PTS: dts, DTS: dts, Key: key, Data: []byte{1, 2, 3, 4}}); err != nil {
		b.t.Fatal(err)
	}
}

// bases returns where the fragments of a track start, in its timescale.
func (b *bench) bases(id wire.TrackID) []int64 {
	var out []int64
	for _, f := range b.fragments {
		if f.Track == id {
			out = append(out, int64(f.Base))
		}
	}
	return out
}

func equal(t *testing.T, what string, got, want []int64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("%s: got %v, want %v", what, got, want)
		}
	}
}

const leadTicks = int64(lead/time.Second) * 90000

func TestNothingBeforeTheFirstKeyFrame(t *testing.T) {
	b := newBench(t, testVideo())
	for i, key := range []bool{false, false, true, false} {
		b.sample(0, int64(i)*3000, key)
	}
	if len(b.fragments) != 2 || !b.fragments[0].Key || b.fragments[1].Key || b.fragments[0].Seq != 0 {
		t.Fatalf("got %d fragments", len(b.fragments))
	}
}

func TestDurationIsGuessedFromTheLastStep(t *testing.T) {
	b := newBench(t, testVideo())
	for _, dts := range []int64{0, 3600, 7200, 14400} {
		b.sample(0, dts, true)
	}
	equal(t, "bases", b.bases(1), []int64{leadTicks, leadTicks + 3600, leadTicks + 7200, leadTicks + 14400})
	var durations []int64
	for _, f := range b.fragments {
		durations = append(durations, int64(f.Duration))
	}
	equal(t, "durations", durations, []int64{3000, 3600, 3600, 7200})
}

func TestTracksKeepTheirDistance(t *testing.T) {
	b := newBench(t, testVideo(), testAudio())
	b.now = b.now.Add(5 * time.Second)
	b.sample(0, 90000, true)  // the picture is 1 s into the input's clock
	for i := range int64(4) { // the sound 0.9 s
		b.sample(1, 43200+i*1024, true)
	}
	equal(t, "video", b.bases(1), []int64{6 * 90000})
	equal(t, "audio", b.bases(2), []int64{6*48000 - 4800})
}

func TestTimestampsAreRepaired(t *testing.T) {
	const s = 90000
	tests := []struct {
		name string
		wait time.Duration // before the second sample
		dts  []int64
		want []int64 // beside lead
	}{
		{"equal times are raised", 0, []int64{0, 0, 3000}, []int64{0, 1, 3000}},
		{"small steps back are raised", 0, []int64{0, 3000, 1500, 6000}, []int64{0, 3000, 3001, 6000}},
		{"small gaps stay", 0, []int64{0, s / 2, s}, []int64{0, s / 2, s}},
		{"a jump forward goes to the wall clock", 3 * time.Second, []int64{0, 1000 * s, 1000*s + 3000}, []int64{0, 3 * s, 3*s + 3000}},
		{"a jump back goes to the wall clock", 4 * time.Second, []int64{1000 * s, 0, 3000}, []int64{0, 4 * s, 4*s + 3000}},
		{"never back on the timeline", 0, []int64{0, s, 0, 3000}, []int64{0, s, s + 1, s + 3000}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, testVideo())
			for i, dts := range tt.dts {
				if i == 1 {
					b.now = b.now.Add(tt.wait)
				}
				b.sample(0, dts, true)
			}
			for i := range tt.want {
				tt.want[i] += leadTicks
			}
			equal(t, "bases", b.bases(1), tt.want)
		})
	}
}

func TestTracksJumpTogether(t *testing.T) {
	b := newBench(t, testVideo(), testAudio())
	b.sample(0, 0, true)
	for i := range int64(4) {
		b.sample(1, i*1024, true)
	}
	b.now = b.now.Add(10 * time.Second)
	// A new clock, in which the sound is 50 ms behind the picture.
	b.sample(0, 5_000_000*90000, true)
	for i := range int64(4) {
		b.sample(1, 5_000_000*48000+2400+i*1024, true)
	}
	equal(t, "video", b.bases(1), []int64{leadTicks, leadTicks + 10*90000})
	equal(t, "audio", b.bases(2), []int64{48000, 11*48000 + 2400})
}

func TestSoundFollowsToTheSample(t *testing.T) {
	b := newBench(t, testAudio())
	for i := range int64(40) { // milliseconds, as RTMP has them
		b.sample(0, (i*1024*1000/48000)*48, true)
	}
	for i, base := range b.bases(1) {
		if want := 48000 + int64(i)*4096; base != want {
			t.Fatalf("fragment %d starts at %d, want %d", i, base, want)
		}
	}
	// Three lost frames are a gap, and the fragment before it is cut short.
	b = newBench(t, testAudio())
	for _, i := range []int64{0, 1, 5, 6, 7, 8} {
		b.sample(0, i*1024, true)
	}
	equal(t, "bases", b.bases(1), []int64{48000, 48000 + 5*1024})
	if d := b.fragments[0].Duration; d != 2048 {
		t.Errorf("fragment before the gap lasts %d", d)
	}
}

func TestChangedParametersGetANewHeader(t *testing.T) {
	b := newBench(t, testVideo(), testAudio())
	b.sample(0, 0, true)
	b.sample(0, 3000, false)
	b.formats(testVideo(), testAudio()) // nothing changes
	if len(b.catalogs) != 1 {
		t.Fatalf("%d catalogs", len(b.catalogs))
	}
	b.sample(0, 6000, false)
	changed := testVideo()
	changed.Params = [][]byte{testSPS, {0x68, 0xce, 0x0f, 0xc9}}
	b.formats(changed, testAudio())
	b.sample(0, 9000, false) // cannot be decoded with the new header
	b.sample(0, 12000, true)
	last := b.catalogs[len(b.catalogs)-1]
	if last.Version != 2 || last.Track(1).From != 3 || last.Track(2).From != 0 {
		t.Fatalf("catalog %+v", last)
	}
	if f := b.fragments[len(b.fragments)-1]; f.Seq != 3 || !f.Key {
		t.Fatalf("fragment %d, key %v", f.Seq, f.Key)
	}
	// Without its sound, then with it: the same track goes on.
	b.formats(changed)
	b.formats(changed, testAudio())
	if last := b.catalogs[len(b.catalogs)-1]; last.Version != 4 || last.Track(2) == nil {
		t.Fatalf("catalog %+v", last)
	}
}

func TestFormatsThatAreRefusedChangeNothing(t *testing.T) {
	bad := testVideo()
	bad.Params = [][]byte{{0x67, 1}, testPPS}
	none := testVideo()
	none.Params = nil
	vp9 := testVideo()
	vp9.Codec = "vp9"
	for name, f := range map[string]media.TrackFormat{"damaged": bad, "missing": none, "unknown": vp9, "empty": {}} {
		b := newBench(t, testVideo())
		err := b.Formats([]media.TrackFormat{f})
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
		if !errors.Is(err, media.ErrNotMedia) && !errors.Is(err, media.ErrUnsupported) {
			t.Errorf("%s: %v", name, err)
		}
		b.sample(0, 0, true)
		if len(b.fragments) != 1 || len(b.catalogs) != 1 {
			t.Errorf("%s: %d fragments, %d catalogs", name, len(b.fragments), len(b.catalogs))
		}
	}
}

func TestBitrateIsMeasured(t *testing.T) {
	f := testVideo()
	f.Bitrate = 0
	b := newBench(t, f)
	for i := range int64(600) {
		err := b.Sample(media.Sample{DTS: i * 3000, PTS: i * 3000, Key: true, Data: make([]byte, 4000)})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(b.catalogs) != 2 {
		t.Fatalf("%d catalogs", len(b.catalogs))
	}
	if rate := b.catalogs[1].Tracks[0].Bitrate; rate < 940_000 || rate > 1_020_000 {
		t.Errorf("bitrate %d, want about 986,000", rate)
	}
}

func TestTooLargeFramesAreDroppedUpToTheNextKey(t *testing.T) {
	b := newBench(t, testVideo())
	b.sample(0, 0, true)
	if err := b.Sample(media.Sample{DTS: 3000, PTS: 3000, Key: true, Data: make([]byte, live.MaxFragment)}); err != nil {
		t.Fatal(err)
	}
	b.sample(0, 6000, false)
	b.sample(0, 9000, true)
	equal(t, "bases", b.bases(1), []int64{leadTicks, leadTicks + 9000})
	if b.fragments[1].Seq != 1 {
		t.Errorf("sequence number %d", b.fragments[1].Seq)
	}
}

func FuzzFormats(f *testing.F) {
	f.Add(uint8(0), testSPS, testPPS, []byte{})
	f.Add(uint8(1), []byte{0x40, 1, 12, 1}, []byte{0x42, 1, 1, 1, 0x60}, []byte{0x44, 1, 0xc1})
	f.Add(uint8(2), []byte{0x08, 0, 0, 0, 0x4a, 0xab, 0xbf}, []byte{}, []byte{})
	f.Add(uint8(3), testAAC, []byte{}, []byte{})
	codecs := []media.Codec{media.H264, media.H265, media.AV1, media.AAC, media.Opus}
	f.Fuzz(func(t *testing.T, codec uint8, a, b, c []byte) {
		format := media.TrackFormat{Kind: wire.Video, Codec: codecs[int(codec)%len(codecs)], Timescale: 90000, Channels: codec % 4}
		for _, p := range [][]byte{a, b, c} {
			if len(p) > 0 {
				format.Params = append(format.Params, p)
			}
		}
		bench := newBench(t)
		if bench.Formats([]media.TrackFormat{format}) == nil {
			bench.sample(0, 0, true)
			if len(bench.catalogs) != 1 || len(bench.catalogs[0].Tracks[0].Init) > maxInit {
				t.Fatal("accepted without a catalog")
			}
		}
	})
}
