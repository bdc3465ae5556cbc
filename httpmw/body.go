package httpmw

import (
	"io"
	"net/http"
	"sync/atomic"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/internal/global"
)

// call is a request under way, and then the body of its response: the span ends when the caller
// has read that to its end, could not, or closed it.
type call struct {
	tracer *global.Tracer
	span   trace.Span

	below   io.ReadCloser
	size    atomic.Int64 // of the body so far, in bytes
	ended   atomic.Bool
	arrived bool // the round trip returned: it did not panic

	url [urlRoom]byte // what url.full refers to, so that it is not an object of its own
}

// receive notes what a round trip returned, and takes the body's place in it. Without a body to
// wait for, that is the end.
func (c *call) receive(resp *http.Response, err error) {
	c.arrived = true
	if err != nil || resp == nil {
		c.end(sendOutcome(err))
		return
	}
	c.describe(resp)
	if resp.Body == nil || resp.Body == http.NoBody {
		c.end(outcome{})
		return
	}
	c.below = resp.Body
	if rw, ok := resp.Body.(io.ReadWriteCloser); ok { // 101 Switching Protocols
		resp.Body = &duplex{c, rw}
		return
	}
	resp.Body = c
}

// Read reads the body. Its end and its failure end the span.
func (c *call) Read(p []byte) (int, error) {
	n, err := c.below.Read(p)
	c.size.Add(int64(n))
	if err != nil {
		c.end(readOutcome(err))
	}
	return n, err
}

// Close closes the body and ends the span.
func (c *call) Close() error {
	err := c.below.Close()
	c.end(outcome{})
	return err
}

// duplex is the body of a response after which the connection speaks another protocol.
type duplex struct {
	*call
	io.Writer
}

// endIfPanicking ends the span of a round trip that did not return.
func (c *call) endIfPanicking() {
	if !c.arrived {
		c.end(outcome{failed: true, errorType: "panic"})
	}
}

// end ends the span, the first time.
func (c *call) end(out outcome) {
	if c.ended.Swap(true) {
		return
	}
	attrs := scratches.Get()
	attrs.list = appendOutcome(attrs.list, out)
	attrs.list = appendBodySize(attrs.list, c.size.Load())
	c.tracer.SetAttributes(c.span, attrs.list)
	scratches.Put(attrs)
	if out.failed {
		c.span.SetStatus(codes.Error, out.description)
	}
	c.span.End()
}

// describe puts the head of the response on the span.
func (c *call) describe(resp *http.Response) {
	out := responseOutcome(resp.StatusCode)
	attrs := scratches.Get()
	attrs.list = appendOutcome(attrs.list, out)
	attrs.list = appendProtocol(attrs.list, resp.ProtoMajor, resp.ProtoMinor)
	c.tracer.SetAttributes(c.span, attrs.list)
	scratches.Put(attrs)
	if out.failed {
		c.span.SetStatus(codes.Error, "")
	}
}
