package exporter

// The accounts: what became of every span.

import (
	"fmt"
	"strings"
	"sync/atomic"
)

// Stats says what became of the spans that an exporter took.
//
// Accepted = Exported + Dropped.Total() + InFlight, at any moment.
type Stats struct {
	Accepted uint64 // handed to the exporter
	Exported uint64 // acknowledged by the server
	Dropped  Dropped
	InFlight uint64 // held: to be sent, being sent, or to be sent again
}

// Dropped counts lost spans by cause.
type Dropped struct {
	QueueFull uint64 // memory had run out; the oldest were given up
	TooLarge  uint64 // more than half of what a batch may be, or more than the server takes
	Rejected  uint64 // the server refused them, and would again
	Shutdown  uint64 // not delivered before Shutdown had to return, or ended after it
}

// Total returns the sum of all causes.
func (d Dropped) Total() uint64 { return d.QueueFull + d.TooLarge + d.Rejected + d.Shutdown }

func (d Dropped) minus(e Dropped) Dropped {
	return Dropped{
		QueueFull: d.QueueFull - e.QueueFull,
		TooLarge:  d.TooLarge - e.TooLarge,
		Rejected:  d.Rejected - e.Rejected,
		Shutdown:  d.Shutdown - e.Shutdown,
	}
}

// String lists the causes that occurred, as in "2 queue full, 1 rejected".
func (d Dropped) String() string {
	var causes []string
	for _, c := range []struct {
		n    uint64
		name string
	}{{d.QueueFull, "queue full"}, {d.TooLarge, "too large"}, {d.Rejected, "rejected"}, {d.Shutdown, "shutdown"}} {
		if c.n > 0 {
			causes = append(causes, fmt.Sprintf("%d %s", c.n, c.name))
		}
	}
	return strings.Join(causes, ", ")
}

// Stats returns the counts so far.
func (e *Exporter) Stats() Stats {
	// In the order against the flow, so that no span is seen at its end but not at its start.
	s := Stats{Exported: e.loss.exported.Load(), Dropped: e.loss.dropped()}
	for _, shard := range e.shards {
		s.Accepted += shard.acceptedSoFar()
	}
	s.InFlight = s.Accepted - s.Exported - s.Dropped.Total()
	return s
}

// lossError returns what Shutdown has to say.
func (s Stats) lossError() error {
	lost := s.Dropped
	lost.Shutdown += s.InFlight // still under way, in a transport that can't be stopped
	if lost.Total() == 0 {
		return nil
	}
	return fmt.Errorf("exporter: lost %d of %d spans: %v", lost.Total(), s.Accepted, lost)
}

// cause is why spans were lost.
type cause int

const (
	queueFull cause = iota
	tooLarge
	rejected
	atShutdown
	causes // their number
)

// loss counts spans at the end of their way, good or bad.
type loss struct {
	exported atomic.Uint64
	lost     [causes]atomic.Uint64
	last     atomic.Pointer[error]
}

func (l *loss) drop(c cause, spans int) {
	if spans > 0 {
		l.lost[c].Add(uint64(spans))
	}
}

func (l *loss) dropped() Dropped {
	return Dropped{
		QueueFull: l.lost[queueFull].Load(),
		TooLarge:  l.lost[tooLarge].Load(),
		Rejected:  l.lost[rejected].Load(),
		Shutdown:  l.lost[atShutdown].Load(),
	}
}

func (l *loss) total() uint64 { return l.dropped().Total() }

// because returns err with the last delivery's error, if there was one.
func (l *loss) because(err error) error {
	last := l.last.Load()
	if err == nil || last == nil {
		return err
	}
	return fmt.Errorf("%w; last error: %w", err, *last)
}
