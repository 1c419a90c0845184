// SPDX-License-Identifier: GPL-3.0-or-later

package tracker

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// metrics are the tracker's own: several trackers in one process do not share
// a registry.
type metrics struct {
	registry  *prometheus.Registry
	messages  *prometheus.CounterVec // by type
	refused   *prometheus.CounterVec // by code
	malformed prometheus.Counter
	slow      prometheus.Counter
	turned    prometheus.Counter // away at the door
	badPieces prometheus.Counter
}

func newMetrics() *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "p2plive_tracker_" + name, Help: help})
	}
	m := &metrics{
		registry: prometheus.NewRegistry(),
		messages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "p2plive_tracker_messages_total", Help: "Messages received from peers.",
		}, []string{"type"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "p2plive_tracker_refused_total", Help: "Peers told an error, by its code.",
		}, []string{"code"}),
		malformed: counter("malformed_total", "Connections closed because of what they sent."),
		slow:      counter("slow_total", "Connections closed because they did not read."),
		turned:    counter("turned_away_total", "Connections and requests over a limit."),
		badPieces: counter("bad_pieces_total", "Pieces that peers reported as wrongly signed."),
	}
	m.registry.MustRegister(m.messages, m.refused, m.malformed, m.slow, m.turned, m.badPieces,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

var (
	peersDesc = prometheus.NewDesc("p2plive_tracker_peers", "Connected peers.", []string{"role"}, nil)
	liveDesc  = prometheus.NewDesc("p2plive_tracker_streams_live", "Streams that are live.", nil, nil)
	bytesDesc = prometheus.NewDesc("p2plive_viewer_bytes_total",
		"Media bytes that viewers report to have received.", []string{"from"}, nil)
	requestsDesc = prometheus.NewDesc("p2plive_tracker_connection_requests_total",
		"Connection requests on the UDP port, by what became of them.", []string{"outcome"}, nil)
	queueDesc  = prometheus.NewDesc("p2plive_tracker_queue_length", "Viewers that wait to be let into a stream.", nil, nil)
	oldestDesc = prometheus.NewDesc("p2plive_tracker_queue_oldest_seconds",
		"How long the first viewer in a queue has waited; of several queues the longest.", nil, nil)
	waitDesc = prometheus.NewDesc("p2plive_tracker_queue_wait_seconds",
		"How long viewers have waited that were let in then.", nil, nil)
	missedDesc = prometheus.NewDesc("p2plive_viewer_fragments_missed_total",
		"Fragments that viewers report to have missed.", nil, nil)
)

// Describe implements prometheus.Collector.
func (t *Tracker) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{peersDesc, liveDesc, bytesDesc, missedDesc, requestsDesc, queueDesc, oldestDesc, waitDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (t *Tracker) Collect(ch chan<- prometheus.Metric) {
	t.mu.Lock()
	c, sum, requests, queue := t.reg.census(), t.reg.totals, t.reg.meet.Stats(), t.reg.queues(time.Now())
	t.mu.Unlock()
	level := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge := func(d *prometheus.Desc, v int, labels ...string) { level(d, float64(v), labels...) }
	count := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge(peersDesc, c.edges, "edge")
	gauge(peersDesc, c.sources, "source")
	gauge(peersDesc, c.viewers, "viewer")
	gauge(liveDesc, c.streams)
	gauge(queueDesc, queue.Waiting)
	level(oldestDesc, queue.Oldest.Seconds())
	ch <- prometheus.MustNewConstSummary(waitDesc, queue.Served, queue.Waited.Seconds(), nil)
	count(bytesDesc, sum.fromPeers, "peers")
	count(bytesDesc, sum.fromEdges, "edges")
	count(missedDesc, sum.missed)
	for outcome, n := range map[string]uint64{
		"forwarded": requests.Forwarded, "met": requests.Met, "repeated": requests.Repeated, "refused": requests.Refused,
		"cookie": requests.Cookies, "unknown": requests.Unknown, "forged": requests.Forged,
		"replayed": requests.Replayed, "limited": requests.Limited,
	} {
		count(requestsDesc, n, outcome)
	}
}
