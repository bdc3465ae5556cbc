package exporter

// Request bodies: their buffers, which are used again.

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"sync"
)

// body is what is posted.
type body struct {
	pieces  [][]byte     // of a message; those that are spans are the batch's
	plain   []byte       // the pieces in one
	packed  bytes.Buffer // or compressed
	gzipper *gzip.Writer
	readers *readers // of this request
}

// bodies are as many as there are requests at once. A [sync.Pool] would lose them to the garbage
// collector between two batches, and each new one is a megabyte to grow and to clear.
type bodies chan *body

func (free bodies) get() (b *body) {
	select {
	case b = <-free:
	default:
		b = new(body)
	}
	b.readers = new(readers)
	return b
}

// put keeps b for the next request, and reports whether nobody reads it any more. A transport may
// read a body even after it has returned the response, so one that is not closed yet is left to it
// and to the garbage collector, with what it reads.
//
// Spec: the documentation of [net/http.RoundTripper].
func (free bodies) put(b *body) (read bool) {
	if !b.readers.end() {
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

// errOver is for a transport that asks for a body when it has already answered.
var errOver = errors.New("exporter: the request is over")

// readers are those of one request.
type readers struct {
	mu   sync.Mutex
	open int  // not at their end
	over bool // there may be no more: the memory may be used again
}

// add returns one more, of content.
func (r *readers) add(content [][]byte) (io.ReadCloser, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		return nil, errOver
	}
	r.open++
	return &bodyReader{readers: r, rest: content}, nil
}

func (r *readers) remove() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open--
}

// end says that there may be no more, and reports whether all are at their end.
func (r *readers) end() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
	return r.open == 0
}

// A bodyReader reads pieces. Transports close a body while they read it, and that may not return
// before the reading has ended: the memory is used again.
type bodyReader struct {
	mu      sync.Mutex
	readers *readers // nil after the end
	rest    [][]byte
	at      int // in the first of rest
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
	if r.readers != nil {
		r.readers.remove()
		r.readers = nil
	}
}
