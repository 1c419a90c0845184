// SPDX-License-Identifier: GPL-3.0-or-later

package sim

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"p2plive/internal/wire"
)

// Scenario describes a run: who takes part, over what network, and what goes
// wrong. Rates are in kbit/s, shares from 0 to 1.
type Scenario struct {
	Name  string `yaml:"-"`
	About string `yaml:"about"` // one line for people

	Peers    int           `yaml:"peers"`    // viewers at the start
	Ramp     time.Duration `yaml:"ramp"`     // they come within this time
	Warmup   time.Duration `yaml:"warmup"`   // nothing is measured before
	Duration time.Duration `yaml:"duration"` // of the stream, warm-up included
	Seed     uint64        `yaml:"seed"`

	Stream Stream `yaml:"stream"`
	Edges  Edges  `yaml:"edges"`
	// Uplinks are the classes of the viewers' lines.
	Uplinks []Uplink `yaml:"uplinks"`
	Latency Latency  `yaml:"latency"`
	// Loss is the share of datagrams that are lost on every path.
	Loss float64 `yaml:"loss"`
	// Buffer is how far players stay behind what comes quickest. Default 1 s.
	Buffer time.Duration `yaml:"buffer"`

	Churn  *Churn  `yaml:"churn"`
	Flash  *Flash  `yaml:"flash"`
	Faults []Fault `yaml:"faults"`

	NAT        []NATShare `yaml:"nat"` // empty: everybody can be reached
	Polluters  float64    `yaml:"polluters"`
	FreeRiders float64    `yaml:"free_riders"`
	LANSize    int        `yaml:"lan_size"` // viewers behind one router; 0 for none
}

// Stream is what is sent: fragments of one piece each, at a constant rate.
type Stream struct {
	Kbit int64 `yaml:"kbit"`
	// ResourceIndex sets the rate, if not 0: the viewers' mean uplink divided by it.
	ResourceIndex float64       `yaml:"resource_index"`
	Piece         int           `yaml:"piece"` // bytes of a piece
	Substreams    uint8         `yaml:"substreams"`
	KeyEvery      time.Duration `yaml:"key_every"`
}

// Edges is the server's side.
type Edges struct {
	Count int `yaml:"count"`
	// Copies is each edge's uplink, and its budget, in copies of the stream; 0
	// has no limit: then the tracker lets everybody in at once.
	Copies float64 `yaml:"copies"`
}

// Uplink is a class of lines.
type Uplink struct {
	Kbit  int64   `yaml:"kbit"`
	Share float64 `yaml:"share"`
}

// Latency is one of: the same for all pairs, drawn for each pair between two
// values, or by region. Times are one way.
type Latency struct {
	Fixed     time.Duration `yaml:"fixed"`
	Low, High time.Duration
	// Regions have shares of the peers; Matrix[i][j] is from region i to j.
	Regions []float64         `yaml:"regions"`
	Matrix  [][]time.Duration `yaml:"matrix"`
}

// Churn has viewers come and go so that their number stays.
type Churn struct {
	PerMinute float64 `yaml:"per_minute"` // share of the viewers
	Sigma     float64 `yaml:"sigma"`      // of the logarithm of the stays
	Abrupt    float64 `yaml:"abrupt"`     // share that goes without a word
}

// Flash multiplies the viewers.
type Flash struct {
	At     time.Duration `yaml:"at"`
	Within time.Duration `yaml:"within"`
	Factor int           `yaml:"factor"`
}

// Fault is something that breaks.
type Fault struct {
	At   time.Duration `yaml:"at"`
	What string        `yaml:"what"` // "viewers", "edge" or "tracker" die
	// Share of the viewers that goes.
	Share float64 `yaml:"share"`
}

// NATShare is how many viewers are behind a kind of NAT.
type NATShare struct {
	Type  natType `yaml:"type"`
	Share float64 `yaml:"share"`
}

//go:embed scenarios/*.yaml
var files embed.FS

// Names returns the names of the scenarios, in alphabetical order.
func Names() []string {
	list, err := fs.Glob(files, "scenarios/*.yaml")
	if err != nil {
		return nil // the pattern is right
	}
	for i, name := range list {
		list[i] = strings.TrimSuffix(strings.TrimPrefix(name, "scenarios/"), ".yaml")
	}
	return list
}

// ErrNoScenario is returned for names that no scenario has.
var ErrNoScenario = errors.New("no such scenario")

// Load returns one of the scenarios that come with the program.
func Load(name string) (Scenario, error) {
	b, err := files.ReadFile("scenarios/" + name + ".yaml")
	if err != nil {
		return Scenario{}, fmt.Errorf("%w: %s (there are %s)", ErrNoScenario, name, strings.Join(Names(), ", "))
	}
	return Parse(name, b)
}

// Parse reads a scenario. Keys that it does not know are errors.
func Parse(name string, text []byte) (Scenario, error) {
	s := Scenario{Name: name}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&s); err != nil {
		return s, fmt.Errorf("scenario %s: %w", name, err)
	}
	if err := s.Validate(); err != nil {
		return s, fmt.Errorf("scenario %s: %w", name, err)
	}
	return s, nil
}

func (s Scenario) withDefaults() Scenario {
	if s.Buffer == 0 {
		s.Buffer = time.Second
	}
	if s.Stream.Substreams == 0 {
		s.Stream.Substreams = 4
	}
	if s.Stream.Piece == 0 {
		s.Stream.Piece = wire.MaxPiecePayload
	}
	if s.Stream.KeyEvery == 0 {
		s.Stream.KeyEvery = 2 * time.Second
	}
	if s.Stream.ResourceIndex > 0 {
		s.Stream.Kbit = int64(s.meanUplink() / s.Stream.ResourceIndex)
	}
	return s
}

// Validate reports the first thing in the scenario that makes no sense.
func (s Scenario) Validate() error {
	s = s.withDefaults()
	shares := []float64{s.Loss, s.Polluters, s.FreeRiders}
	uplinks, nats := 0.0, 0.0
	for _, u := range s.Uplinks {
		shares = append(shares, u.Share)
		uplinks += u.Share
		if u.Kbit <= 0 {
			return errors.New("an uplink without a rate")
		}
	}
	for _, n := range s.NAT {
		shares = append(shares, n.Share)
		nats += n.Share
	}
	for _, f := range s.Faults {
		shares = append(shares, f.Share)
		if f.What != "viewers" && f.What != "edge" && f.What != "tracker" {
			return fmt.Errorf("unknown fault %q", f.What)
		}
	}
	if c := s.Churn; c != nil {
		shares = append(shares, c.Abrupt)
		if c.PerMinute <= 0 || c.PerMinute > 1 || c.Sigma <= 0 || c.Sigma > 4 {
			return errors.New("churn out of range")
		}
	}
	for _, v := range shares {
		if v < 0 || v > 1 {
			return errors.New("a share that is not from 0 to 1")
		}
	}
	return errors.Join(s.validateSize(), s.Latency.validate(),
		check(math.Abs(uplinks-1) < 1e-6, "shares of the uplinks do not add up to 1"),
		check(len(s.NAT) == 0 || math.Abs(nats-1) < 1e-6, "shares of the NAT types do not add up to 1"))
}

func (s Scenario) validateSize() error {
	total := s.Peers
	if s.Flash != nil {
		total *= max(s.Flash.Factor, 0)
	}
	return errors.Join(
		check(s.Peers > 0 && total >= s.Peers && total <= maxPeers, fmt.Sprintf("viewers must be from 1 to %d", maxPeers)),
		check(s.Duration > 0 && s.Duration <= maxDuration, "the duration is out of range"),
		check(s.Ramp >= 0 && s.Warmup >= 0 && s.Warmup < s.Duration, "the warm-up must be shorter than the duration"),
		check(s.Stream.Kbit > 0, "a stream without a rate"),
		check(s.Stream.Piece > 0 && s.Stream.Piece <= wire.MaxPiecePayload, "pieces out of range"),
		check(s.Stream.Substreams <= wire.MaxSubstreams, "too many substreams"),
		check(s.Loss < 0.5, "too much loss"),
		check(s.Edges.Count > 0 && s.Edges.Count < 1000 && s.Edges.Copies >= 0, "edges out of range"),
	)
}

func (l Latency) validate() error {
	if l.Low < 0 || l.High < l.Low || l.Fixed < 0 || len(l.Matrix) != len(l.Regions) {
		return errors.New("latency makes no sense")
	}
	for _, row := range l.Matrix {
		if len(row) != len(l.Regions) {
			return errors.New("the latency matrix is not square")
		}
	}
	return nil
}

func check(ok bool, text string) error {
	if ok {
		return nil
	}
	return errors.New(text)
}

// meanUplink returns what viewers have on average, in kbit/s; free riders give nothing.
func (s Scenario) meanUplink() float64 {
	mean := 0.0
	for _, u := range s.Uplinks {
		mean += float64(u.Kbit) * u.Share
	}
	return mean * (1 - s.FreeRiders)
}

// interval returns the time between two fragments.
func (s Scenario) interval() time.Duration {
	return time.Duration(int64(s.Stream.Piece) * 8 * int64(time.Millisecond) / s.Stream.Kbit)
}

// Resize changes the number of viewers. A larger swarm needs longer to form:
// the ramp, and all that is set to a time after it, move by as much.
func (s Scenario) Resize(peers int) Scenario {
	if peers > s.Peers {
		more := time.Duration(math.Log(float64(peers)/float64(max(s.Peers, 1))) / math.Log(1+growth/100.0) * float64(time.Second))
		more = more.Round(time.Second)
		s.Ramp += more
		s.Warmup += more
		s.Duration += more
		s.Faults = slices.Clone(s.Faults)
		for i := range s.Faults {
			s.Faults[i].At += more
		}
		if s.Flash != nil {
			f := *s.Flash
			f.At += more
			s.Flash = &f
		}
	}
	s.Peers = peers
	return s
}
