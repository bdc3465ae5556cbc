package exporter

// Request bodies: their buffers, which are used again.

import (
	"bytes"
	"compress/gzip"
	"io"
	"sync/atomic"

	"github.com/meshtrace/meshtrace/internal/pool"
)

// body is what is posted.
type body struct {
	plain   []byte
	packed  bytes.Buffer
	gzipper *gzip.Writer
	readers atomic.Int32 // that are not closed yet
}

// maxKeptBody is the largest body buffer that is kept: twice the default batch.
const maxKeptBody = 2 << 20

// A transport may read a body even after it has returned the response, so one that is not closed
// yet is left to it and to the garbage collector.
//
// Spec: the documentation of [net/http.RoundTripper].
var bodies = pool.Pool[body]{Reset: func(b *body) bool {
	if b.readers.Load() > 0 || cap(b.plain) > maxKeptBody || b.packed.Cap() > maxKeptBody {
		return false
	}
	b.plain = b.plain[:0]
	b.packed.Reset()
	return true
}}

// fill writes the request for batch and returns it, compressed if packed is set.
func (b *body) fill(proto protocol, batch *batch, packed bool) []byte {
	b.plain = proto.appendBatch(b.plain, batch)
	if !packed {
		return b.plain
	}
	if b.gzipper == nil {
		b.gzipper, _ = gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is valid
	}
	b.gzipper.Reset(&b.packed)
	_, _ = b.gzipper.Write(b.plain) // a bytes.Buffer does not fail
	_ = b.gzipper.Close()
	return b.packed.Bytes()
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
