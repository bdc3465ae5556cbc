package exporter

// The bound on memory: no chunk is made or grows without asking.

import (
	"runtime"
	"sync/atomic"

	"github.com/meshtrace/meshtrace/internal/pool"
	"github.com/meshtrace/meshtrace/internal/sdkseam"
)

const (
	maxChunkBytes = 64 << 10
	minChunkBytes = 4 << 10
	minBatchBytes = 4 * minChunkBytes

	// What a chunk and a span take beside the encoding: a chunk and its place in the queue, a
	// spanEnd.
	chunkOverhead = 128
	spanOverhead  = 16

	// shardShare is the part of the budget that the shards fill their chunks in. As much again
	// is kept free for their next ones.
	shardShare = 8
)

// memory bounds what all chunks take together.
type memory struct {
	budget int64
	held   atomic.Int64
	spare  int64 // as much as is kept free
	pool   pool.Pool[chunk]

	chunkBytes int // of encoded spans when a chunk is full
	chunkSpans int // in a chunk, at the most
	spanBytes  int // that one span may have, at the most
}

// shardCount is twice the number of processors, so that two goroutines that end spans at the same
// moment seldom meet; or fewer, if the budget is too small for that many chunks.
func shardCount(budget int) int {
	return min(2*runtime.GOMAXPROCS(0), budget/(shardShare*minChunkBytes))
}

func (m *memory) init(cfg Config, shards int) {
	share := cfg.Queue.MaxBytes / shardShare
	m.budget = int64(cfg.Queue.MaxBytes)
	m.spare = int64(share)
	m.chunkSpans = max(cfg.Batch.MaxSpans/4, 1)
	m.chunkBytes = min(share/shards, maxChunkBytes, cfg.Batch.MaxBytes/4, max(m.chunkSpans<<10, minChunkBytes))
	m.spanBytes = cfg.Batch.MaxBytes / 2
	m.pool.Reset = m.reset
}

// reset makes c as good as new. A buffer that has grown for a rare large span is not kept: it would
// stay as large for ever. Nor is one that was trimmed, which would have to grow.
func (m *memory) reset(c *chunk) bool {
	clear(c.spans)
	*c = chunk{buf: c.buf[:0], spans: c.spans[:0]}
	return m.chunkBytes <= cap(c.buf) && cap(c.buf) <= m.chunkBytes+m.chunkBytes/2
}

// reserve reports whether n bytes more may be used.
func (m *memory) reserve(n int64) bool {
	for {
		held := m.held.Load()
		if held+n > m.budget {
			return false
		}
		if m.held.CompareAndSwap(held, held+n) {
			return true
		}
	}
}

// tight reports whether so little is left that the shards could soon be without.
func (m *memory) tight() bool { return m.held.Load() > m.budget-m.spare }

// bytes is what c takes of memory.
func (c *chunk) bytes() int64 { return int64(chunkOverhead + cap(c.buf) + spanOverhead*cap(c.spans)) }

// newChunk returns an empty chunk, or nil if there is no memory for one.
func (m *memory) newChunk() *chunk {
	c := m.pool.Get()
	if c.buf == nil {
		c.buf = make([]byte, 0, m.chunkBytes)
	}
	if !m.reserve(c.bytes()) {
		m.pool.Put(c)
		return nil
	}
	return c
}

// add makes buf, which is c's buffer with the encoding of a span behind it, the buffer of c. It
// returns false, and leaves c as it was, if c had to grow and there is no memory for that.
func (m *memory) add(c *chunk, buf []byte, o *sdkseam.Origin) bool {
	return m.grow(c, buf, append(c.spans, spanEnd{o, len(buf)}))
}

// grow gives c longer slices in place of its own, if there is memory for them.
func (m *memory) grow(c *chunk, buf []byte, spans []spanEnd) bool {
	more := int64(cap(buf) - cap(c.buf) + spanOverhead*(cap(spans)-cap(c.spans)))
	if more > 0 && !m.reserve(more) {
		return false
	}
	c.buf, c.spans = buf, spans
	return true
}

// merge moves the spans of c behind those of last, and releases c. It returns false, and leaves
// both as they were, if they do not fit into one chunk.
//
// While a collector is down, each second brings chunks that had no time to fill up. They would use
// up the memory with little in them.
func (m *memory) merge(last, c *chunk) bool {
	before, n := len(last.buf), len(last.spans)
	switch {
	case last.resource != c.resource, last.whole != nil:
		return false
	case before+len(c.buf) > m.chunkBytes, n+len(c.spans) > m.chunkSpans:
		return false
	case !m.grow(last, append(last.buf, c.buf...), append(last.spans, c.spans...)):
		return false
	}
	for i := range last.spans[n:] {
		last.spans[n+i].end += before
	}
	m.release(c)
	return true
}

// trim returns a chunk of the size that the spans of c need, if c is much larger and nothing more
// will come into it.
func (m *memory) trim(c *chunk) *chunk {
	if len(c.buf) >= cap(c.buf)/2 {
		return c
	}
	fit := &chunk{resource: c.resource, seq: c.seq, buf: make([]byte, len(c.buf)), spans: make([]spanEnd, len(c.spans))}
	if !m.reserve(fit.bytes()) {
		return c
	}
	copy(fit.buf, c.buf)
	copy(fit.spans, c.spans)
	m.release(c)
	return fit
}

// release gives c's memory back. Nobody may use c any more. Parts of a chunk give it back together.
func (m *memory) release(c *chunk) {
	if whole := c.whole; whole != nil {
		if whole.parts--; whole.parts == 0 {
			m.release(whole)
		}
		return
	}
	m.held.Add(-c.bytes())
	if !c.lent {
		m.pool.Put(c)
	}
}
