package exporter

// Where spans wait as bytes: chunks, filled by the goroutines that end spans.

import (
	"runtime"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/meshtrace/meshtrace/internal/pool"
	"github.com/meshtrace/meshtrace/internal/seam"
)

// A chunk is a run of encoded spans of one resource.
type chunk struct {
	resource *resource.Resource
	buf      []byte
	spans    []spanEnd
	counted  int64  // bytes that memory counts for this chunk
	seq      uint64 // place in the order in which chunks were collected
}

// spanEnd says where in a chunk a span ends, and who recorded it.
type spanEnd struct {
	origin *seam.Origin
	end    int
}

const (
	maxChunkBytes = 64 << 10
	minChunkBytes = 4 << 10
	minBatchBytes = 4 * minChunkBytes

	// maxKeptBytes is the largest buffer that is kept for use again. Larger ones come from a
	// rare large span, and would stay as large for ever.
	maxKeptBytes = 2 * maxChunkBytes

	// spanEndBytes is the memory that a span takes beside its encoding.
	spanEndBytes = 16
)

var chunks = pool.Pool[chunk]{Reset: func(c *chunk) bool {
	clear(c.spans)
	*c = chunk{buf: c.buf[:0], spans: c.spans[:0]}
	return cap(c.buf) <= maxKeptBytes
}}

// bytes is what c takes of memory.
func (c *chunk) bytes() int64 { return int64(cap(c.buf) + spanEndBytes*cap(c.spans)) }

// each calls f for every span in c.
func (c *chunk) each(f func(*seam.Origin, []byte)) {
	start := 0
	for _, s := range c.spans {
		f(s.origin, c.buf[start:s.end])
		start = s.end
	}
}

// memory bounds what all chunks take together.
type memory struct {
	budget     int64
	held       atomic.Int64
	chunkBytes int // when a chunk is full
	spanBytes  int // what one span may have, at the most
}

// init divides the budget so that the chunks being filled take an eighth of it at the most.
func (m *memory) init(cfg Config, shards int) {
	m.budget = int64(cfg.Queue.MaxBytes)
	m.chunkBytes = min(max(cfg.Queue.MaxBytes/(8*shards), minChunkBytes), maxChunkBytes, cfg.Batch.MaxBytes/4)
	m.spanBytes = cfg.Batch.MaxBytes / 2
}

// newChunk returns an empty chunk, or nil if there is no memory for one.
func (m *memory) newChunk(r *resource.Resource) *chunk {
	if m.held.Load()+int64(m.chunkBytes) > m.budget {
		return nil
	}
	c := chunks.Get()
	c.resource = r
	if c.buf == nil {
		c.buf = make([]byte, 0, m.chunkBytes)
	}
	m.count(c)
	return c
}

// count brings the account of c up to date.
func (m *memory) count(c *chunk) {
	now := c.bytes()
	m.held.Add(now - c.counted)
	c.counted = now
}

// release gives c's memory back. Nobody may use c any more.
func (m *memory) release(c *chunk) {
	m.held.Add(-c.counted)
	chunks.Put(c)
}

// tight reports whether so little is left that the shards could soon be without.
func (m *memory) tight() bool { return m.held.Load() > m.budget-m.budget/4 }

// A shard takes spans under a lock of its own.
type shard struct {
	mu       sync.Mutex
	closed   bool
	accepted uint64
	open     *chunk   // being filled
	sealed   []*chunk // full, to be collected

	_ [64]byte // keeps two shards' locks out of one cache line
}

// shardCount is twice the number of processors, so that two goroutines that end spans at the same
// moment seldom meet.
func shardCount() int { return 2 * runtime.GOMAXPROCS(0) }

// add encodes r into the shard, or counts why it can't. It reports whether there is something new
// to collect: a first span, a full chunk, or no memory for another.
func (s *shard) add(e *Exporter, r *seam.Record) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accepted++
	if s.closed {
		e.loss.drop(atShutdown, 1)
		return false
	}
	if s.open != nil && s.open.resource != r.Origin.Resource {
		s.seal(&e.memory)
	}
	if s.open == nil {
		s.open = e.memory.newChunk(r.Origin.Resource)
	}
	c := s.open
	if c == nil {
		e.loss.drop(queueFull, 1)
		return true
	}
	start := len(c.buf)
	c.buf = e.protocol.appendSpan(c.buf, r)
	if len(c.buf)-start > e.memory.spanBytes {
		c.buf = c.buf[:start]
		e.loss.drop(tooLarge, 1)
		return true
	}
	c.spans = append(c.spans, spanEnd{r.Origin, len(c.buf)})
	if len(c.buf) >= e.memory.chunkBytes-len(c.buf)/len(c.spans) || len(c.spans) >= e.cfg.Batch.MaxSpans {
		s.seal(&e.memory) // one more like these would not fit
		return true
	}
	return len(c.spans) == 1
}

func (s *shard) seal(m *memory) {
	m.count(s.open)
	s.sealed = append(s.sealed, s.open)
	s.open = nil
}

// take moves the sealed chunks to dst, and the open one too if all is set.
func (s *shard) take(dst []*chunk, m *memory, all bool) []*chunk {
	s.mu.Lock()
	defer s.mu.Unlock()
	if all && s.open != nil {
		s.seal(m)
	}
	dst = append(dst, s.sealed...)
	clear(s.sealed)
	s.sealed = s.sealed[:0]
	return dst
}

func (s *shard) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
}

func (s *shard) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

func (s *shard) acceptedSoFar() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accepted
}
