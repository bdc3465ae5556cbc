package exporter

// Where spans become bytes: shards, filled by the goroutines that end spans.

import (
	"sync"

	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/meshtrace/meshtrace/internal/seam"
)

// A shard takes spans under a lock of its own.
type shard struct {
	mu       sync.Mutex
	closed   bool
	accepted uint64
	open     *chunk   // being filled
	sealed   []*chunk // full, to be collected

	_ [64]byte // keeps two shards' locks out of one cache line
}

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
	c := s.chunkFor(r.Origin.Resource, &e.memory)
	if c == nil {
		e.loss.drop(queueFull, 1)
		return true
	}
	buf := e.protocol.appendSpan(c.buf, r)
	switch size := len(buf) - len(c.buf); {
	case size > e.memory.span:
		e.loss.drop(tooLarge, 1)
	case !e.memory.add(c, buf, r.Origin):
		e.loss.drop(queueFull, 1)
	case len(c.spans) >= e.memory.spans, len(c.buf) >= e.memory.chunk-len(c.buf)/len(c.spans):
		s.seal() // one more like these would not fit
	default:
		return len(c.spans) == 1
	}
	return true
}

// chunkFor returns the open chunk, of the given resource, or nil if there is no memory for one.
func (s *shard) chunkFor(r *resource.Resource, m *memory) *chunk {
	if s.open != nil && s.open.resource != r {
		s.seal()
	}
	if s.open == nil {
		s.open = m.newChunk()
	}
	if s.open != nil {
		s.open.resource = r
	}
	return s.open
}

// seal ends the open chunk. An empty one stays open: its first span was too large.
func (s *shard) seal() {
	if len(s.open.spans) > 0 {
		s.sealed = append(s.sealed, s.open)
		s.open = nil
	}
}

// take moves the sealed chunks to dst, and the open one too if all is set.
func (s *shard) take(dst []*chunk, all bool) []*chunk {
	s.mu.Lock()
	defer s.mu.Unlock()
	if all && s.open != nil {
		s.seal()
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

func (s *shard) acceptedSoFar() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accepted
}
