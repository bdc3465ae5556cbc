package httpmw

import (
	"context"
	"io"
	"net/http"
	"runtime"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/codes"

	"github.com/meshtrace/meshtrace/internal/global"
)

// call is a request under way, and then the body of its response: the span ends when the caller
// has read that to its end, could not, or closed it.
type call struct {
	transport *Transport
	ctx       context.Context // the request's as it was sent
	req       *http.Request   // the caller's
	span      global.Span
	meters    *clientMeters // nil if nothing is measured
	phases    *phases       // nil unless they are asked for
	sent      time.Duration // when, on clock's scale
	status    int           // of the response, 0 while there is none
	protocol  string
	returned  bool // the round trip did: it did not panic

	below io.ReadCloser
	size  atomic.Int64 // of the body so far, in bytes
	ended atomic.Bool
}

// observe returns the call that observes req, which is to be sent with its context.
func (t *Transport) observe(ctx context.Context, req *http.Request) *call {
	c := &call{transport: t, ctx: ctx, req: req, sent: clock()}
	if t.cfg.Phases {
		c.phases = new(phases)
		c.ctx = c.phases.follow(ctx)
	}
	return c
}

// receive notes what a round trip returned, and takes the body's place in it. Without a body to
// wait for, that is the end.
func (c *call) receive(resp *http.Response, err error) {
	c.returned = true
	if err != nil || resp == nil {
		c.end(sendOutcome(err))
		return
	}
	c.status, c.protocol = resp.StatusCode, protocol(resp.ProtoMajor, resp.ProtoMinor)
	if c.span.IsRecording() {
		c.describe(resp)
	}
	if resp.Body == nil || resp.Body == http.NoBody {
		c.end(outcome{})
		return
	}
	c.below = resp.Body
	runtime.SetFinalizer(c, (*call).leak)
	if rw, ok := resp.Body.(io.ReadWriteCloser); ok { // 101 Switching Protocols
		resp.Body = &duplex{c, rw}
		return
	}
	resp.Body = c
}

// describe puts the head of the response on the span.
func (c *call) describe(resp *http.Response) {
	attrs := scratches.Get()
	defer scratches.Put(attrs)
	out := responseOutcome(c.status)
	attrs.list = appendOutcome(attrs.list, out)
	attrs.list = appendProtocol(attrs.list, c.protocol)
	attrs.list = c.transport.cfg.Capture.or(&defaults.client).Response.appendResponse(attrs.list, resp.Header)
	attrs.list = append(attrs.list, firstByteKey.Float64(milliseconds(clock()-c.sent)))
	c.span.Describe(attrs.list)
	if out.failed {
		c.span.SetStatus(codes.Error, "")
	}
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

// end ends the span, the first time.
func (c *call) end(out outcome) {
	if c.ended.Swap(true) {
		return
	}
	if c.below != nil {
		runtime.SetFinalizer(c, nil)
	}
	if c.meters != nil {
		c.meters.end(c, out)
	}
	if !c.span.IsRecording() {
		return
	}
	attrs := scratches.Get()
	defer scratches.Put(attrs)
	attrs.list = appendOutcome(attrs.list, out)
	attrs.list = appendBodySize(attrs.list, c.size.Load())
	attrs.list = c.phases.append(attrs.list)
	c.span.Describe(attrs.list)
	if out.failed {
		c.span.SetStatus(codes.Error, out.description)
	}
	c.span.End()
}

// endIfPanicking ends the span of a round trip that did not return.
func (c *call) endIfPanicking() {
	if !c.returned {
		c.end(outcome{failed: true, errorType: "panic"})
	}
}

// leak ends the span of a response whose body is garbage though nobody has closed it.
func (c *call) leak() {
	c.transport.leaked.Add(1)
	c.end(outcome{errorType: errorLeaked, failed: true, description: "the response's body was never closed"})
}
