package linkerd

// What goes back to the caller: heads at once, and trailers-only answers as they are.

import (
	"io"
	"net/http"
)

// An answer writes the head of a response as soon as it is there, whatever becomes of the body: a
// caller may wait for the one before it sends what the other is made of.
type answer struct {
	http.ResponseWriter
	req   *http.Request
	alone bool // nothing follows the head on its stream
}

// expect is told of the response before it is written.
func (a *answer) expect(resp *http.Response) error {
	if a.req.ProtoMajor != 2 {
		return nil
	}
	a.alone = resp.ContentLength == 0 && len(resp.Trailer) == 0
	resp.Body = &answerBody{resp.Body, a}
	return nil
}

// abort breaks the answer off, as err says if a stream was reset.
func (a *answer) abort(_ http.ResponseWriter, _ *http.Request, err error) {
	resetAs(a.ResponseWriter, a.req, err)
	panic(http.ErrAbortHandler)
}

func (a *answer) WriteHeader(status int) {
	if _, ok := a.Header()["Content-Length"]; !ok && a.alone {
		a.Header()["Content-Length"] = nil // otherwise it would be 0, and metadata of gRPC
	}
	a.ResponseWriter.WriteHeader(status)
	if status >= http.StatusOK {
		_ = a.FlushError()
	}
}

// FlushError leaves what is alone to the end of the handler, which ends the stream with it. That
// is how gRPC knows that it is a status, not the head of what is to come.
func (a *answer) FlushError() error {
	if a.alone {
		return nil
	}
	return http.NewResponseController(a.ResponseWriter).Flush()
}

// Unwrap lets [http.ResponseController] find what else the writer can do.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// An answerBody breaks its answer off when it breaks off.
type answerBody struct {
	io.ReadCloser
	answer *answer
}

func (b *answerBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		resetAs(b.answer.ResponseWriter, b.answer.req, err)
	}
	return n, err
}
