package exporter

// A batch: the chunks that go into one request.

import (
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/meshtrace/meshtrace/internal/seam"
)

// A batch holds chunks of one resource.
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

// fits reports whether c may go into b too.
func (b *batch) fits(c *chunk, maxSpans, maxBytes int) bool {
	return len(b.chunks) == 0 ||
		b.chunks[0].resource == c.resource && b.spans+len(c.spans) <= maxSpans && b.bytes+len(c.buf) <= maxBytes
}

func (b *batch) resource() *resource.Resource { return b.chunks[0].resource }

// each calls f for every span in b.
func (b *batch) each(f func(*seam.Origin, []byte)) {
	for _, c := range b.chunks {
		c.each(f)
	}
}

// origins returns who recorded the spans of b, each once, with how many bytes of spans.
func (b *batch) origins() (origins []*seam.Origin, bytes []int) {
	last := 0 // spans of one origin tend to follow each other
	b.each(func(o *seam.Origin, span []byte) {
		if last < len(origins) && origins[last] == o {
			bytes[last] += len(span)
			return
		}
		for last = range origins {
			if origins[last] == o {
				bytes[last] += len(span)
				return
			}
		}
		last = len(origins)
		origins, bytes = append(origins, o), append(bytes, len(span))
	})
	return origins, bytes
}

// split returns the spans of c in two chunks. c has at least two spans, and is spent.
func (c *chunk) split(m *memory) (head, tail *chunk) {
	head, tail = chunks.Get(), chunks.Get()
	head.resource, tail.resource = c.resource, c.resource
	head.seq, tail.seq = c.seq, c.seq
	half := len(c.spans) / 2
	i := 0
	c.each(func(o *seam.Origin, span []byte) {
		to := head
		if i >= half {
			to = tail
		}
		to.buf = append(to.buf, span...)
		to.spans = append(to.spans, spanEnd{o, len(to.buf)})
		i++
	})
	m.count(head)
	m.count(tail)
	m.release(c)
	return head, tail
}
