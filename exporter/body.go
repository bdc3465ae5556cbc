package exporter

// Request bodies: their buffers, which are used again.

import (
	"bytes"
	"compress/gzip"
	"io"
	"sync/atomic"
)

// body is what is posted.
type body struct {
	plain   []byte
	packed  bytes.Buffer
	gzipper *gzip.Writer
	readers atomic.Int32 // that are not closed yet
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

// put keeps b for the next request. A transport may read a body even after it has returned the
// response, so one that is not closed yet is left to it and to the garbage collector.
//
// Spec: the documentation of [net/http.RoundTripper].
func (free bodies) put(b *body) {
	if b.readers.Load() > 0 {
		return
	}
	b.plain = b.plain[:0]
	b.packed.Reset()
	select {
	case free <- b:
	default:
	}
}

// pack appends content to b.packed, compressed.
func (b *body) pack(content []byte) {
	if b.gzipper == nil {
		b.gzipper, _ = gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is valid
	}
	b.gzipper.Reset(&b.packed)
	_, _ = b.gzipper.Write(content) // a bytes.Buffer does not fail
	_ = b.gzipper.Close()
}

// reader returns a reader of content, which is in b.
func (b *body) reader(content []byte) io.ReadCloser {
	b.readers.Add(1)
	return &bodyReader{Reader: bytes.NewReader(content), body: b}
}

type bodyReader struct {
	*bytes.Reader
	body   *body
	closed atomic.Bool
}

// Close says that nobody reads any more.
func (r *bodyReader) Close() error {
	if !r.closed.Swap(true) {
		r.body.readers.Add(-1)
	}
	return nil
}
