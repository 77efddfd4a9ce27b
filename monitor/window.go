package monitor

import (
	"slices"
	"time"
)

// counter is one of the totals whose growth is watched.
type counter int

const (
	countConnections counter = iota
	countCommands
	countNetInput
	countNetOutput
	countHits
	countMisses
	countExpired
	countEvicted
	countRejected
	countErrors
	counters
)

// sample is what a window needs of a node: a few dozen bytes, so that an hour of them costs next to nothing.
type sample struct {
	at     time.Time
	runID  string
	uptime Value[time.Duration]
	totals [counters]Value[int64]
	cpu    Value[float64]
	ping   Value[time.Duration]
	pinged time.Time // zero = with this sample
}

func sampleOf(n *Node) sample {
	s := sample{at: n.At, runID: n.Server.RunID.Or(""), uptime: n.Server.Uptime, ping: n.Latency.RoundTrip, pinged: n.Latency.at}
	s.totals = [counters]Value[int64]{
		countConnections: n.Stats.Connections, countCommands: n.Stats.Commands, countNetInput: n.Stats.NetInput, countNetOutput: n.Stats.NetOutput,
		countHits: n.Stats.Hits, countMisses: n.Stats.Misses, countExpired: n.Stats.Expired, countEvicted: n.Stats.Evicted,
		countRejected: n.Stats.Rejected, countErrors: n.Stats.ErrorReplies,
	}
	if sys, ok := n.CPU.System.Get(); ok && n.CPU.User.ok {
		s.cpu = Known(sys + n.CPU.User.v)
	}
	return s
}

// change says what lies between two samples of one address.
type change int

const (
	same    change = iota // the same process, its counters went on
	reset                 // the counters began again at zero, in a new process or by CONFIG RESETSTAT
	foreign               // another server, which has counted for longer than since the earlier sample: nothing can be told
)

// between tells a server that began again from one that took another's place: a failover client asks another server
// under the same name, whose lifetime totals say nothing of the last minute.
func between(a, b *sample) change {
	if a.runID != b.runID {
		// INFO tells whole seconds. Without an uptime nobody knows since when the totals count.
		if !b.uptime.ok || b.uptime.v > b.at.Sub(a.at)+2*time.Second {
			return foreign
		}
		return reset
	}
	if a.uptime.ok && b.uptime.ok && b.uptime.v < a.uptime.v {
		return reset // without a run id, the uptime tells
	}
	// RESETSTAT zeroes all at once: the busiest counters give it away even where a rare one did not fall.
	for c := range counters {
		if a.totals[c].ok && b.totals[c].ok && b.totals[c].v < a.totals[c].v {
			return reset
		}
	}
	return same
}

// grown returns by how much a counter grew between two samples, and whether that can be told.
func grown(a, b *sample, c counter) (int64, bool) {
	if !a.totals[c].ok || !b.totals[c].ok {
		return 0, false
	}
	switch between(a, b) {
	case reset:
		return b.totals[c].v, true // what was counted before the reset is lost; what came since is certain
	case foreign:
		return 0, false
	}
	return b.totals[c].v - a.totals[c].v, true
}

// within returns the samples of the window that ends with the last one, with the one that it begins from: the newest that
// is as old as the window, or the oldest of all. Samples that are too far apart still make a pair.
func within(samples []sample, window time.Duration) []sample {
	if len(samples) < 2 {
		return samples
	}
	from := samples[len(samples)-1].at.Add(-window)
	i := len(samples) - 2
	for i > 0 && samples[i].at.After(from) {
		i--
	}
	return samples[i:]
}

// increase returns by how much a counter grew over the window, and how long a time that tells of.
func increase(samples []sample, window time.Duration, c counter) (n int64, covered time.Duration, ok bool) {
	part := within(samples, window)
	for i := 1; i < len(part); i++ {
		if more, known := grown(&part[i-1], &part[i], c); known {
			n, ok = n+more, true
			covered += part[i].at.Sub(part[i-1].at)
		}
	}
	return n, covered, ok
}

// perMinute is the growth of a counter, a minute. A time shorter than the window is not extrapolated: three rejections in
// the first second of a service are three, not 180 a minute. One that is longer is averaged.
func perMinute(samples []sample, window time.Duration, c counter) (float64, bool) {
	n, covered, ok := increase(samples, window, c)
	if !ok {
		return 0, false
	}
	return float64(n) / max(covered, window).Minutes(), true
}

// hitRatio is known where at least least keys were looked up in the window.
func hitRatio(samples []sample, window time.Duration, least int64) (float64, bool) {
	hits, _, ok := increase(samples, window, countHits)
	misses, _, ok2 := increase(samples, window, countMisses)
	if !ok || !ok2 || hits+misses < max(1, least) {
		return 0, false
	}
	return float64(hits) / float64(hits+misses), true
}

// slowest returns the 99th percentile of the round trips within the window, in seconds, by nearest rank.
func slowest(samples []sample, window time.Duration, least int64) (float64, bool) {
	if len(samples) == 0 {
		return 0, false
	}
	from := samples[len(samples)-1].at.Add(-window)
	var pings []time.Duration
	for i := range samples {
		if !samples[i].ping.ok || samples[i].at.Before(from) {
			continue
		}
		if at := samples[i].pinged; i > 0 && !at.IsZero() && at.Equal(samples[i-1].pinged) {
			continue // two samples that rest on one PING
		}
		pings = append(pings, samples[i].ping.v)
	}
	if int64(len(pings)) < max(1, least) {
		return 0, false
	}
	slices.Sort(pings)
	return pings[(len(pings)*99+99)/100-1].Seconds(), true
}

// ratesBetween fills the rates of a node from an earlier sample of it.
func ratesBetween(a, b *sample) Rates {
	over := b.at.Sub(a.at)
	if over <= 0 {
		return Rates{}
	}
	r := Rates{Over: over}
	perSecond := func(c counter) Value[float64] {
		n, ok := grown(a, b, c)
		if !ok {
			return Value[float64]{}
		}
		return Known(float64(n) / over.Seconds())
	}
	r.Commands, r.NetInput, r.NetOutput = perSecond(countCommands), perSecond(countNetInput), perSecond(countNetOutput)
	r.Hits, r.Misses, r.Expired = perSecond(countHits), perSecond(countMisses), perSecond(countExpired)
	r.Evicted, r.Rejected, r.Errors = perSecond(countEvicted), perSecond(countRejected), perSecond(countErrors)
	if total := r.Hits.v + r.Misses.v; r.Hits.ok && r.Misses.ok && total > 0 {
		r.HitRatio = Known(r.Hits.v / total)
	}
	if a.cpu.ok && b.cpu.ok && a.runID == b.runID && b.cpu.v >= a.cpu.v { // RESETSTAT leaves processor time alone
		r.CPU = Known((b.cpu.v - a.cpu.v) / over.Seconds())
	}
	return r
}
