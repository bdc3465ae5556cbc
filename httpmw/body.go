package httpmw

import (
	"io"
	"sync/atomic"
)

// body is the body of a response. The call ends when the caller has read it to its end, could not,
// or closed it.
type body struct {
	below io.ReadCloser
	size  atomic.Int64         // of what was read, in bytes
	call  atomic.Pointer[call] // nil when it has ended
}

// newBody returns what stands in for a response's body: with its capability to be written to, if
// it is that of a connection which switches protocols.
func newBody(below io.ReadCloser, c *call) io.ReadCloser {
	b := &body{below: below}
	b.call.Store(c)
	switch w := below.(type) {
	case halfCloser:
		return &halfCloserBody{b, w}
	case io.Writer:
		return &writerBody{b, w}
	}
	return b
}

// halfCloser is what net/http's body of a response with 101 Switching Protocols is beside a
// reader. A proxy needs it to pass on that one side has nothing more to say.
type halfCloser interface {
	io.Writer
	CloseWrite() error
}

type (
	halfCloserBody struct {
		*body
		halfCloser
	}
	writerBody struct {
		*body
		io.Writer
	}
)

// Read reads the body. Its end and its failure end the call.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.below.Read(p)
	b.size.Add(int64(n))
	if err != nil {
		b.end(readOutcome(err))
	}
	return n, err
}

// Close closes the body and ends the call.
func (b *body) Close() error {
	err := b.below.Close()
	b.end(outcome{})
	return err
}

// end ends the call, the first time.
func (b *body) end(out outcome) {
	if c := b.call.Swap(nil); c != nil {
		c.end(out, b.size.Load())
	}
}
