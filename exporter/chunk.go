package exporter

// Chunks and batches: encoded spans, on their way from the shards to a request.

import (
	"cmp"
	"slices"

	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/meshtrace/meshtrace/internal/sdkseam"
)

// A chunk is a run of encoded spans of one resource.
type chunk struct {
	resource *resource.Resource
	buf      []byte
	spans    []spanEnd
	seq      uint64 // place in the order in which chunks were collected

	whole *chunk // that this one is a part of; its memory is the whole's
	parts int    // of this chunk that are still in use
	lent  bool   // somebody may still read the memory
}

// spanEnd says where in a chunk a span ends, and who recorded it.
type spanEnd struct {
	origin *sdkseam.Origin
	end    int
}

func bySeq(a, b *chunk) int { return cmp.Compare(a.seq, b.seq) }

// each calls f for every run of spans in c that follow each other and have the same origin.
func (c *chunk) each(f func(*sdkseam.Origin, []byte)) {
	start := 0
	for i, s := range c.spans {
		if i+1 < len(c.spans) && c.spans[i+1].origin == s.origin {
			continue
		}
		f(s.origin, c.buf[start:s.end])
		start = s.end
	}
}

// split returns the spans of c in two parts, which share its memory. c has at least two spans,
// and is only their memory from now on.
func (c *chunk) split() (head, tail *chunk) {
	half := len(c.spans) / 2
	cut := c.spans[half-1].end
	head = &chunk{resource: c.resource, seq: c.seq, whole: c, buf: c.buf[:cut], spans: c.spans[:half]}
	tail = &chunk{resource: c.resource, seq: c.seq, whole: c, buf: c.buf[cut:], spans: c.spans[half:]}
	for i := range tail.spans {
		tail.spans[i].end -= cut
	}
	c.parts = 2
	return head, tail
}

// A batch holds the chunks, all of one resource, that go into one request.
type batch struct {
	chunks []*chunk
	spans  int
	bytes  int
}

func (b *batch) add(c *chunk) {
	b.chunks = append(b.chunks, c)
	b.spans += len(c.spans)
	b.bytes += len(c.buf)
}

// lend leaves the memory of b to whoever still reads it. It is not used for other spans.
func (b *batch) lend() {
	for _, c := range b.chunks {
		for c.whole != nil {
			c = c.whole
		}
		c.lent = true
	}
}

// fits reports whether c may go into b too.
func (b *batch) fits(c *chunk, maxSpans, maxBytes int) bool {
	return len(b.chunks) == 0 ||
		b.resource() == c.resource && b.spans+len(c.spans) <= maxSpans && b.bytes+len(c.buf) <= maxBytes
}

func (b *batch) resource() *resource.Resource { return b.chunks[0].resource }

// each calls f for every run of spans in b that follow each other and have the same origin.
func (b *batch) each(f func(*sdkseam.Origin, []byte)) {
	for _, c := range b.chunks {
		c.each(f)
	}
}

// origins returns who recorded the spans of b, each once, with how many bytes of spans.
func (b *batch) origins() (origins []*sdkseam.Origin, bytes []int) {
	b.each(func(o *sdkseam.Origin, spans []byte) {
		i := slices.Index(origins, o)
		if i < 0 {
			i = len(origins)
			origins, bytes = append(origins, o), append(bytes, 0)
		}
		bytes[i] += len(spans)
	})
	return origins, bytes
}
