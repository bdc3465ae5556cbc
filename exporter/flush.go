package exporter

// Flushes: callers who wait for what was taken before them to be sent.

import (
	"context"
	"slices"
)

// A flush asks for everything taken so far to be delivered or given up.
type flush struct {
	ctx      context.Context // of the caller who waits
	urgency  urgency
	seq      uint64 // of the last chunk that it waits for
	finished chan struct{}
}

// urgency says how a flush takes it that the server is down.
type urgency int

const (
	handOver   urgency = iota // the spans are held, which is enough
	sendNow                   // try now, unless the server has asked for patience
	lastChance                // try now in any case: later is never
)

func newFlush(ctx context.Context, u urgency) *flush {
	return &flush{ctx: ctx, urgency: u, finished: make(chan struct{})}
}

// await hands f to the pipeline and waits for its end, or for that of its context.
func (e *Exporter) await(f *flush) error {
	if err := f.ctx.Err(); err != nil {
		return err
	}
	select {
	case e.asked <- func() { e.pipeline.begin(f) }:
	case <-e.done:
		return nil // Shutdown has flushed
	case <-f.ctx.Done():
		return f.ctx.Err()
	}
	select {
	case <-f.finished:
		return nil
	case <-f.ctx.Done():
		return f.ctx.Err()
	}
}

// begin takes up a flush: collect everything, and send it.
func (p *pipeline) begin(f *flush) {
	p.collect(true)
	p.due = true
	f.seq = p.seq
	p.flushing = append(p.flushing, f)
	if f.urgency == lastChance || f.urgency == sendNow && !p.pause.told {
		p.pause.on = false
	}
}

// answer ends the flushes that have nothing to wait for any more, or nobody who waits.
func (p *pipeline) answer() {
	if len(p.flushing) == 0 {
		return
	}
	oldest := p.oldest()
	p.flushing = slices.DeleteFunc(p.flushing, func(f *flush) bool {
		if f.seq < oldest || f.urgency == handOver && p.pause.failures > 0 {
			close(f.finished)
			return true
		}
		return f.ctx.Err() != nil
	})
}

// oldest returns the place of the oldest chunk that is held.
func (p *pipeline) oldest() uint64 {
	oldest := p.seq + 1
	for _, c := range p.queue {
		oldest = min(oldest, c.seq)
	}
	for _, b := range p.flying {
		for _, c := range b.chunks {
			oldest = min(oldest, c.seq)
		}
	}
	return oldest
}
