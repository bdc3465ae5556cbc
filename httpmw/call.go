package httpmw

import (
	"context"
	"net/http"
	"runtime"
	"time"

	"go.opentelemetry.io/otel/codes"

	"github.com/meshtrace/meshtrace/internal/global"
	"github.com/meshtrace/meshtrace/internal/pool"
)

// call is a request under way, until its response has been read.
//
// It is used again, so no user may hold it: the response's body does, and lets it go when it ends.
// If that never happens, the garbage collector finds the body and the call, and the call's
// finalizer ends the span. The body could not have the finalizer itself, for net/http's part of it
// refers back to the response.
type call struct {
	transport *Transport
	ctx       context.Context // the request's as it was sent, which has the span
	req       *http.Request   // the caller's
	span      global.Span
	meters    *clientMeters // nil if nothing is measured
	phases    *phases       // nil unless they are asked for
	sent      time.Duration // when, on clock's scale
	status    int           // of the response, 0 while there is none
	protocol  string

	guarded bool // it has its finalizer
}

var calls = pool.Pool[call]{Reset: func(c *call) bool {
	*c = call{guarded: c.guarded}
	return true
}}

// observe returns the call that observes req, which is to be sent with the call's context.
func (t *Transport) observe(ctx context.Context, req *http.Request) *call {
	c := calls.Get()
	if !c.guarded {
		c.guarded = true
		runtime.SetFinalizer(c, (*call).leak)
	}
	c.transport, c.ctx, c.req, c.sent = t, ctx, req, clock()
	if t.cfg.Phases {
		c.phases = new(phases)
		c.ctx = c.phases.follow(ctx)
	}
	return c
}

// receive notes what a round trip returned, and takes the body's place in it. Without a body to
// wait for, that is the end. The caller must not use c any more.
func (c *call) receive(resp *http.Response, err error) {
	if err != nil || resp == nil {
		c.end(sendOutcome(err), 0)
		return
	}
	c.status, c.protocol = resp.StatusCode, protocol(resp.ProtoMajor, resp.ProtoMinor)
	if c.span.IsRecording() {
		c.describe(resp)
	}
	if resp.Body == nil || resp.Body == http.NoBody {
		c.end(outcome{}, 0)
		return
	}
	resp.Body = newBody(resp.Body, c)
}

// describe puts the head of the response on the span.
func (c *call) describe(resp *http.Response) {
	attrs := scratches.Get()
	defer scratches.Put(attrs)
	out := responseOutcome(c.status)
	attrs.list = appendOutcome(attrs.list, out)
	attrs.list = appendProtocol(attrs.list, c.protocol)
	attrs.list = append(attrs.list, firstByteKey.Float64(milliseconds(clock()-c.sent)))
	attrs.list = c.transport.cfg.capture().Response.appendResponse(attrs.list, resp.Header)
	c.span.Describe(attrs.list)
	if out.failed {
		c.span.SetStatus(codes.Error, "")
	}
}

// end ends the span of a request whose response had a body of the given size in bytes. c is gone
// then.
func (c *call) end(out outcome, size int64) {
	c.finish(out, size)
	calls.Put(c)
}

// finish is what end does, less giving c back.
func (c *call) finish(out outcome, size int64) {
	if c.meters != nil {
		c.meters.end(c, out, size)
	}
	if !c.span.IsRecording() {
		c.span.End()
		return
	}
	attrs := scratches.Get()
	attrs.list = appendOutcome(attrs.list, out)
	attrs.list = appendBodySize(attrs.list, size)
	attrs.list = c.phases.append(attrs.list)
	if len(attrs.list) > 0 {
		c.span.Describe(attrs.list)
	}
	scratches.Put(attrs)
	if out.failed {
		c.span.SetStatus(codes.Error, out.description)
	}
	c.span.End()
}

// leak is c's finalizer. A call that the pool has dropped has ended.
func (c *call) leak() {
	if c.transport == nil {
		return
	}
	c.transport.leaked.Add(1)
	c.finish(outcome{errorType: errorLeaked, failed: true, description: "the response's body was never closed"}, 0)
}
