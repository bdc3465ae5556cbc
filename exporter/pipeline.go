package exporter

// The pipeline: one goroutine that owns the queue, decides what is sent when, and keeps the
// accounts of what came of it.

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// pipeline is the state that only [pipeline.run]'s goroutine touches.
type pipeline struct {
	*Exporter

	queue     []*chunk // oldest first
	collected []*chunk // from the shards, on their way to the queue
	seq       uint64   // of the last chunk collected
	flying    []*batch // under way
	due       bool     // the queue is to be sent whether or not it fills a batch
	flushing  []*flush
	pause     pause
	maxBytes  int // of a batch: Batch.MaxBytes, or less if the server has refused that much
	reporter  reporter

	age *time.Timer // when the oldest span not yet sent has waited long enough
}

func newPipeline(e *Exporter) *pipeline {
	return &pipeline{
		Exporter: e,
		maxBytes: e.cfg.Batch.MaxBytes,
		pause:    pause{settings: e.cfg.Retry, timer: stoppedTimer()},
		reporter: reporter{onError: e.cfg.OnError},
		age:      stoppedTimer(),
	}
}

func stoppedTimer() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}

// run ends when ctx does.
func (p *pipeline) run(ctx context.Context) {
	defer close(p.done)
	for {
		select {
		case <-p.wake:
			p.collect(false)
		case <-p.age.C:
			p.collect(true)
			p.due = true
		case <-p.pause.timer.C:
			p.pause.on = false
		case do := <-p.asked:
			do()
		case d := <-p.posted:
			p.settle(d)
		case <-ctx.Done():
			p.end()
			return
		}
		p.send(ctx)
		p.makeRoom()
		p.answer()
		if !p.ending.Load() { // Shutdown will say it
			p.reporter.report(p.loss.dropped())
		}
	}
}

// collect moves full chunks, or all, from the shards to the queue. What it leaves begins to age.
func (p *pipeline) collect(all bool) {
	if all {
		p.age.Stop()
		p.aging.Store(false) // before the shards are asked: a span that comes later begins to age
	}
	p.sealed.reset() // before, too
	p.collected = p.collected[:0]
	for _, s := range p.shards {
		p.collected = s.take(p.collected, all)
	}
	for _, c := range p.collected {
		p.enqueue(c)
	}
	clear(p.collected)
	if !all && !p.aging.Swap(true) {
		p.age.Reset(p.cfg.Batch.MaxAge)
	}
}

// enqueue puts c at the end of the queue.
func (p *pipeline) enqueue(c *chunk) {
	if len(c.spans) == 0 { // its first span was too large
		p.memory.release(c)
		return
	}
	if last := len(p.queue) - 1; last >= 0 {
		if p.memory.merge(p.queue[last], c) {
			return
		}
		p.queue[last] = p.memory.trim(p.queue[last])
	}
	p.seq++
	c.seq = p.seq
	p.queue = append(p.queue, c)
}

// makeRoom drops the oldest chunks while memory is tight. Those under way can't be.
func (p *pipeline) makeRoom() {
	n := 0
	for ; n < len(p.queue) && p.memory.tight(); n++ {
		p.discard(p.queue[n], queueFull)
	}
	p.queue = slices.Delete(p.queue, 0, n)
}

// discard counts the spans of c as lost.
func (p *pipeline) discard(c *chunk, why cause) {
	p.loss.drop(why, len(c.spans))
	p.memory.release(c)
}

// send posts batches as long as there is reason to and the window is open.
func (p *pipeline) send(ctx context.Context) {
	window := p.cfg.Queue.InFlight
	if p.pause.failures > 0 {
		window = 1 // one is enough to find out whether the server is back
	}
	for len(p.queue) > 0 && !p.pause.on && len(p.flying) < window && (p.due || p.full()) {
		b := p.next()
		p.flying = append(p.flying, b)
		go func() { p.posted <- p.poster.deliver(ctx, p.protocol, b) }()
	}
	if len(p.queue) == 0 {
		p.due = false
	}
}

// full reports whether the queue fills a batch.
func (p *pipeline) full() bool {
	spans, bytes := 0, 0
	for _, c := range p.queue {
		spans += len(c.spans)
		bytes += len(c.buf)
		if spans >= p.cfg.Batch.MaxSpans || bytes >= p.maxBytes {
			return true
		}
	}
	return false
}

// next takes the oldest chunk from the queue, and what fits into one batch with it.
func (p *pipeline) next() *batch {
	for len(p.queue[0].buf) > p.maxBytes && len(p.queue[0].spans) > 1 {
		head, tail := p.queue[0].split()
		p.queue = append([]*chunk{head, tail}, p.queue[1:]...)
	}
	b := new(batch)
	p.queue = slices.DeleteFunc(p.queue, func(c *chunk) bool {
		if !b.fits(c, p.cfg.Batch.MaxSpans, p.maxBytes) {
			return false
		}
		b.add(c)
		return true
	})
	return b
}

// settle books what came of a batch.
func (p *pipeline) settle(d delivery) {
	b := d.batch
	p.flying = slices.DeleteFunc(p.flying, func(other *batch) bool { return other == b })
	if !d.read {
		b.lend()
	}
	switch d.outcome {
	case accepted:
		p.pause.failures = 0
		p.loss.exported.Add(uint64(b.spans - d.rejected))
		p.finish(b, rejected, d.rejected)
	case refused:
		p.pause.failures = 0
		p.finish(b, rejected, b.spans)
	case oversize:
		p.pause.failures = 0
		p.shrink(b)
	case failed:
		p.pause.failed(d.retryAfter)
		p.requeue(b)
	case abandoned:
		p.requeue(b)
		if p.pause.failures > 0 {
			d.err = nil // why the server was not reached before says more
		}
	}
	p.note(d.outcome, d.err)
}

// note remembers an error for OnError, and for the flush or Shutdown that says what was lost.
func (p *pipeline) note(out outcome, err error) {
	if err == nil {
		return
	}
	p.loss.last.Store(&err) // not to be changed from here on
	told := err
	if out == failed {
		told = fmt.Errorf("%w; its spans are kept to be sent again", err)
	}
	p.reporter.note(told)
}

// finish books n spans of b as lost, and lets go of b.
func (p *pipeline) finish(b *batch, why cause, n int) {
	p.loss.drop(why, n)
	for _, c := range b.chunks {
		p.memory.release(c)
	}
}

// requeue puts b back in its place, to be sent as soon as may be: it has waited before.
func (p *pipeline) requeue(b *batch) {
	for _, c := range b.chunks {
		p.queue = append(p.queue, p.memory.trim(c))
	}
	slices.SortStableFunc(p.queue, bySeq)
	p.due = true
}

// shrink sends the spans of a batch that was too large in smaller ones, and keeps to that size: a
// server's limit does not grow. It gives up a span that is alone, and spans that are too many for
// a server whose limit would be below any sensible one: that one would refuse each of them.
func (p *pipeline) shrink(b *batch) {
	if b.spans == 1 || b.bytes <= minBatchBytes {
		p.finish(b, tooLarge, b.spans)
		return
	}
	p.maxBytes = min(p.maxBytes, max(b.bytes/2, minBatchBytes))
	p.requeue(b)
}

// end gives up what is held. The posts under way have been cancelled.
func (p *pipeline) end() {
	p.collect(true)
	p.giveUp()
	for len(p.flying) > 0 {
		p.settle(<-p.posted)
		p.giveUp()
	}
	p.age.Stop()
	p.pause.timer.Stop()
	p.answer()
	p.poster.close()
}

// giveUp drops the queue.
func (p *pipeline) giveUp() {
	for _, c := range p.queue {
		p.discard(c, atShutdown)
	}
	p.queue = nil
}
