package exporter

// Request bodies: their buffers, which are used again.

import (
	"bytes"
	"compress/gzip"
	"io"
	"sync"
	"sync/atomic"
)

// body is what is posted.
type body struct {
	pieces  [][]byte     // of a message; those that are spans are the batch's
	plain   []byte       // the pieces in one
	packed  bytes.Buffer // or compressed
	gzipper *gzip.Writer
	readers atomic.Int32 // that are not at their end
}

// bodies are as many as there are requests at once. A [sync.Pool] would lose them to the garbage
// collector between two batches, and each new one is a megabyte to grow and to clear.
type bodies chan *body

func (free bodies) get() *body {
	select {
	case b := <-free:
		return b
	default:
		return new(body)
	}
}

// put keeps b for the next request, and reports whether nobody reads it any more. A transport may
// read a body even after it has returned the response, so one that is not closed yet is left to it
// and to the garbage collector, with what it reads.
//
// Spec: the documentation of [net/http.RoundTripper].
func (free bodies) put(b *body) (read bool) {
	if b.readers.Load() > 0 {
		return false
	}
	clear(b.pieces)
	b.pieces, b.plain = b.pieces[:0], b.plain[:0]
	b.packed.Reset()
	select {
	case free <- b:
	default:
	}
	return true
}

// pack compresses the pieces into b.packed.
func (b *body) pack(pieces [][]byte) {
	if b.gzipper == nil {
		b.gzipper, _ = gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is valid
	}
	b.gzipper.Reset(&b.packed)
	for _, piece := range pieces {
		_, _ = b.gzipper.Write(piece) // a bytes.Buffer does not fail
	}
	_ = b.gzipper.Close()
}

// size returns how many bytes the pieces are together.
func size(pieces [][]byte) (n int) {
	for _, piece := range pieces {
		n += len(piece)
	}
	return n
}

// reader returns a reader of content, which is in b.
func (b *body) reader(content [][]byte) io.ReadCloser {
	b.readers.Add(1)
	return &bodyReader{body: b, rest: content}
}

// A bodyReader reads pieces. Transports close a body while they read it, and that may not return
// before the reading has ended: the memory is used again.
type bodyReader struct {
	mu   sync.Mutex
	body *body // nil after the end
	rest [][]byte
	at   int // in the first of rest
}

func (r *bodyReader) Read(p []byte) (n int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for n < len(p) && len(r.rest) > 0 {
		copied := copy(p[n:], r.rest[0][r.at:])
		n, r.at = n+copied, r.at+copied
		if r.at == len(r.rest[0]) {
			r.rest, r.at = r.rest[1:], 0
		}
	}
	if len(r.rest) > 0 {
		return n, nil
	}
	r.end()
	return n, io.EOF
}

// Close says that nobody reads any more.
func (r *bodyReader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rest = nil
	r.end()
	return nil
}

func (r *bodyReader) end() {
	if r.body != nil {
		r.body.readers.Add(-1)
		r.body = nil
	}
}
