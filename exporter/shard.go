package exporter

// Where spans become bytes: shards, filled by the goroutines that end spans.

import (
	"slices"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/meshtrace/meshtrace/internal/sdkseam"
)

// maxOpen is how many chunks a shard fills at once. Nearly always one provider, with one resource,
// uses an exporter; with a few in turn, each needs a chunk of its own to have full ones.
const maxOpen = 4

// A shard takes spans under a lock of its own.
type shard struct {
	mu       sync.Mutex
	closed   bool
	accepted uint64
	open     []*chunk // being filled, one for each resource
	sealed   []*chunk // to be collected

	_ [64]byte // keeps two shards' locks out of one cache line
}

// add encodes r into the shard, or counts why it can't. It reports whether the pipeline has to know:
// of a good part of a batch, of a loss, or of a span that nothing else will make it collect.
func (s *shard) add(e *Exporter, r *sdkseam.Record) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accepted++
	if s.closed {
		e.loss.drop(atShutdown, 1)
		return false
	}
	c := s.chunkFor(r.Origin.Resource, e)
	if c == nil {
		e.loss.drop(queueFull, 1)
		return true
	}
	buf := e.protocol.appendSpan(c.buf, r)
	switch size := len(buf) - len(c.buf); {
	case size > e.memory.spanBytes:
		e.loss.drop(tooLarge, 1)
	case !e.memory.add(c, buf, r.Origin):
		e.loss.drop(queueFull, 1)
	case len(c.spans) >= e.memory.chunkSpans, len(c.buf) >= e.memory.chunkBytes-len(c.buf)/len(c.spans):
		s.seal(c, e) // one more like these would not fit
		return e.sealed.enough(e)
	default:
		return e.sealed.enough(e) || !e.aging.Load()
	}
	return true
}

// sealed counts what the shards have sealed since the pipeline looked: to be woken for each chunk would
// be a system call each time, where a processor is idle.
type sealed struct{ spans, bytes atomic.Int64 }

// enough reports whether it is about a quarter of a batch, or memory gets short.
func (s *sealed) enough(e *Exporter) bool {
	return s.spans.Load() >= int64(e.memory.chunkSpans) ||
		s.bytes.Load()+int64(e.memory.chunkBytes) > int64(e.cfg.Batch.MaxBytes/4) ||
		e.memory.tight()
}

func (s *sealed) add(c *chunk) {
	s.spans.Add(int64(len(c.spans)))
	s.bytes.Add(int64(len(c.buf)))
}

func (s *sealed) reset() {
	s.spans.Store(0)
	s.bytes.Store(0)
}

// chunkFor returns the open chunk of the given resource, or nil if there is no memory for one.
func (s *shard) chunkFor(r *resource.Resource, e *Exporter) *chunk {
	for _, c := range s.open {
		if c.resource == r {
			return c
		}
	}
	if len(s.open) == maxOpen {
		s.seal(s.open[0], e)
	}
	c := e.memory.newChunk()
	if c != nil {
		c.resource = r
		s.open = append(s.open, c)
	}
	return c
}

// seal ends c, which is open.
func (s *shard) seal(c *chunk, e *Exporter) {
	s.open = slices.DeleteFunc(s.open, func(other *chunk) bool { return other == c })
	s.sealed = append(s.sealed, c)
	e.sealed.add(c)
}

// take moves the sealed chunks to dst, and the open ones too if all is set.
func (s *shard) take(dst []*chunk, all bool) []*chunk {
	s.mu.Lock()
	defer s.mu.Unlock()
	dst = append(dst, s.sealed...)
	clear(s.sealed)
	s.sealed = s.sealed[:0]
	if all {
		dst = append(dst, s.open...)
		clear(s.open)
		s.open = s.open[:0]
	}
	return dst
}

func (s *shard) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
}

func (s *shard) acceptedSoFar() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accepted
}
