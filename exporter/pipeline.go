package exporter

// The pipeline: one goroutine that owns the queue, decides what is sent when, and keeps the
// accounts of what came of it.

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// pipeline is the state that only [Exporter.run]'s goroutine touches.
type pipeline struct {
	*Exporter

	queue    []*chunk // oldest first
	seq      uint64   // of the last chunk collected
	flying   []*batch // under way
	due      bool     // the queue is to be sent whether or not it fills a batch
	flushing []*flush
	ending   bool // no more spans will come

	failures int // deliveries in a row that are to be tried again
	maxBytes int // of a batch: Batch.MaxBytes, or less if the server has refused that much

	age   *time.Timer // when the oldest span not yet collected has waited long enough
	aging bool
	retry *time.Timer // when a failed delivery may be tried again
	wait  bool        // until retry
}

// A flush asks for everything taken so far to be delivered or given up.
type flush struct {
	last     bool   // nothing will come after it
	seq      uint64 // of the last chunk that it waits for
	finished chan struct{}
}

// run is the exporter's one goroutine. It ends when ctx does.
func (e *Exporter) run(ctx context.Context) {
	defer close(e.done)
	p := &pipeline{Exporter: e, maxBytes: e.cfg.Batch.MaxBytes, age: stoppedTimer(), retry: stoppedTimer()}
	for {
		select {
		case <-e.wake:
			p.collect(false)
		case <-p.age.C:
			p.collect(true)
			p.due = true
		case <-p.retry.C:
			p.wait = false
		case f := <-e.flushes:
			p.begin(f)
		case d := <-e.posted:
			p.settle(d)
		case <-ctx.Done():
			p.end()
			return
		}
		p.makeRoom()
		p.send(ctx)
		p.answer()
	}
}

func stoppedTimer() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}

// collect moves full chunks, or all, from the shards to the queue. What it leaves begins to age.
func (p *pipeline) collect(all bool) {
	from := len(p.queue)
	for _, s := range p.shards {
		p.queue = s.take(p.queue, &p.memory, all)
	}
	for _, c := range p.queue[from:] {
		p.seq++
		c.seq = p.seq
	}
	switch {
	case all:
		p.age.Stop()
		p.aging = false
	case !p.aging:
		p.age.Reset(p.cfg.Batch.MaxAge)
		p.aging = true
	}
}

// makeRoom drops the oldest chunks while memory is tight. Those under way can't be.
func (p *pipeline) makeRoom() {
	dropped := 0
	for p.memory.tight() && len(p.queue) > 0 {
		dropped += p.discard(p.queue[0], queueFull)
		p.queue = slices.Delete(p.queue, 0, 1)
	}
	if dropped > 0 {
		p.errs.handle(fmt.Errorf("exporter: dropped the %d oldest spans: %d bytes of Queue.MaxBytes are used up; last error: %w",
			dropped, p.memory.budget, p.loss.lastError()))
	}
}

// discard counts the spans of c as lost.
func (p *pipeline) discard(c *chunk, why cause) int {
	n := len(c.spans)
	p.loss.drop(why, n)
	p.memory.release(c)
	return n
}

// send posts batches as long as there is reason to and the window is open.
func (p *pipeline) send(ctx context.Context) {
	window := p.cfg.Queue.InFlight
	if p.failures > 0 {
		window = 1 // one is enough to find out whether the server is back
	}
	for len(p.queue) > 0 && !p.wait && len(p.flying) < window && (p.due || p.failures > 0 || p.full()) {
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

// next takes the oldest chunks from the queue, as many as fit into a batch.
func (p *pipeline) next() *batch {
	for len(p.queue[0].buf) > p.maxBytes && len(p.queue[0].spans) > 1 {
		head, tail := p.queue[0].split(&p.memory)
		p.queue = slices.Replace(p.queue, 0, 1, head, tail)
	}
	b := new(batch)
	for len(p.queue) > len(b.chunks) && b.fits(p.queue[len(b.chunks)], p.cfg.Batch.MaxSpans, p.maxBytes) {
		b.add(p.queue[len(b.chunks)])
	}
	p.queue = slices.Delete(p.queue, 0, len(b.chunks))
	return b
}

// settle books what came of a batch.
func (p *pipeline) settle(d delivery) {
	p.flying = slices.DeleteFunc(p.flying, func(b *batch) bool { return b == d.batch })
	if d.err != nil {
		p.loss.last.Store(&d.err)
	}
	switch d.outcome {
	case accepted:
		p.failures = 0
		p.loss.exported.Add(uint64(d.batch.spans - d.rejected))
		p.drop(d.batch, rejected, d.rejected)
	case refused:
		p.failures = 0
		p.drop(d.batch, rejected, d.batch.spans)
	case oversize:
		p.shrink(d)
	case failed:
		p.failures++
		p.requeue(d.batch)
		p.pause(d.retryAfter)
		d.err = fmt.Errorf("%w; %d spans are kept to be sent again", d.err, d.batch.spans)
	}
	if d.err != nil {
		p.errs.handle(d.err)
	}
}

// drop books n spans of b as lost, and releases b.
func (p *pipeline) drop(b *batch, why cause, n int) {
	p.loss.drop(why, n)
	for _, c := range b.chunks {
		p.memory.release(c)
	}
}

// requeue puts b back to the head of the queue.
func (p *pipeline) requeue(b *batch) { p.queue = slices.Insert(p.queue, 0, b.chunks...) }

// shrink sends the spans of a batch that was too large in smaller ones, and keeps to that size: a
// server's limit does not grow. One span alone can't be helped.
func (p *pipeline) shrink(d delivery) {
	if d.batch.spans == 1 {
		p.drop(d.batch, tooLarge, 1)
		return
	}
	p.maxBytes = max(d.batch.bytes/2, 1)
	p.requeue(d.batch)
	p.due = true
}

// pause keeps the pipeline from sending: as long as the server said, or a time that grows with
// each failure.
func (p *pipeline) pause(retryAfter time.Duration) {
	p.wait = true
	p.retry.Reset(max(retryAfter, p.cfg.Retry.backoff(p.failures)))
}

// begin takes up a flush: collect everything, and do not wait to try again.
func (p *pipeline) begin(f *flush) {
	p.collect(true)
	f.seq = p.seq
	p.flushing = append(p.flushing, f)
	p.due, p.wait = true, false
}

// answer ends the flushes for which nothing is held any more.
func (p *pipeline) answer() {
	if len(p.flushing) == 0 {
		return
	}
	oldest := p.seq + 1
	for _, c := range p.queue {
		oldest = min(oldest, c.seq)
	}
	for _, b := range p.flying {
		for _, c := range b.chunks {
			oldest = min(oldest, c.seq)
		}
	}
	p.flushing = slices.DeleteFunc(p.flushing, func(f *flush) bool {
		if f.seq >= oldest {
			return false
		}
		close(f.finished)
		return true
	})
}

// end gives up what is held, once the posts under way have ended.
func (p *pipeline) end() {
	for len(p.flying) > 0 {
		p.settle(<-p.posted)
	}
	p.collect(true)
	for _, c := range p.queue {
		p.discard(c, atShutdown)
	}
	p.queue = nil
	p.age.Stop()
	p.retry.Stop()
	for _, f := range p.flushing {
		close(f.finished)
	}
	p.poster.close()
}
