package httpmw

import (
	"io"
	"net/http"
	"sync/atomic"
)

// uploadedBody counts what is read of a request's body whose length was not announced.
type uploadedBody struct {
	io.ReadCloser
	size atomic.Int64 // in bytes; a proxy's transport may still read when the handler has returned
}

// observeUpload puts an uploadedBody around r's body, if that is the only way to learn its length.
// It returns nil otherwise: then the body stays what it is, above all http.NoBody and nil.
func observeUpload(r *http.Request) *uploadedBody {
	if r.ContentLength >= 0 || r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	if _, ok := r.Body.(io.WriterTo); ok {
		return nil // not one of net/http's; it must not lose what it can do
	}
	b := &uploadedBody{ReadCloser: r.Body}
	r.Body = b
	return b
}

func (b *uploadedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.size.Add(int64(n))
	return n, err
}

// requestSize returns the size of the request's body in bytes: what was announced, or what was
// read.
func (x *exchange) requestSize() int64 {
	if x.upload != nil {
		return x.upload.size.Load()
	}
	return max(x.outer.ContentLength, 0)
}

// responseSize returns the size of the response's body in bytes, as far as it was written.
func (x *exchange) responseSize() int64 {
	if x.outer.Method == http.MethodHead {
		return 0 // what the handler wrote was counted and not sent
	}
	return x.size
}
