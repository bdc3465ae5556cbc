package httpmw

import (
	"context"
	"net/http"
	"runtime"
	"time"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/internal/global"
	"github.com/meshtrace/meshtrace/internal/pool"
	"github.com/meshtrace/meshtrace/internal/seam"
)

// call is a request under way, until its response has been read.
//
// It is used again, so no user may hold it: the response's body does, and lets it go when it ends.
// If that never happens, the garbage collector finds the body and the call, and the call's
// finalizer ends the span. The body could not have the finalizer itself, for net/http's part of it
// refers back to the response.
type call struct {
	transport *Transport
	req       *http.Request   // the caller's
	said      said            // of it, by its context
	ctx       context.Context // the one that it is sent with, which has the span
	span      global.Span
	meters    *clientMeters // nil if nothing is measured
	phases    *phases       // nil unless they are asked for
	sent      time.Duration // when, on clock's scale
	answered  time.Duration // when the response's header was there
	status    int           // of the response, 0 while there is none
	protocol  string
	out       outcome // when it has ended
	size      int64   // of the response's body, in bytes

	guarded bool // it has its finalizer
}

var calls = pool.Pool[call]{Reset: func(c *call) bool {
	*c = call{guarded: c.guarded}
	return true
}}

// start starts the call that is to send req, and its span, unless nobody would see that.
func (t *Transport) start(req *http.Request) *call {
	c := calls.Get()
	c.transport, c.req, c.ctx, c.meters = t, req, req.Context(), t.meters.Load()
	if tracer := t.tracers.Load(); tracer != nil {
		c.said = saidBy(c.ctx)
		c.ctx, c.span = tracer.Start(c.ctx, &seam.Start{Name: t.spanName(req, c.said.template), Kind: trace.SpanKindClient, Subject: c})
	}
	if c.isObserved() {
		c.observe()
	}
	return c
}

// isObserved reports whether anybody wants to know what becomes of the request.
func (c *call) isObserved() bool { return c.span.IsRecording() || c.meters != nil }

// observe makes c ready to see what becomes of the request.
func (c *call) observe() {
	if !c.guarded {
		c.guarded = true
		runtime.SetFinalizer(c, (*call).leak)
	}
	if c.transport.cfg.Phases {
		c.phases = new(phases)
		c.ctx = c.phases.follow(c.ctx)
	}
	c.sent = clock()
}

// receive notes what a round trip returned, and takes the body's place in it. Without a body to
// wait for, that is the end. The caller must not use c any more.
func (c *call) receive(resp *http.Response, err error) {
	switch {
	case !c.isObserved():
		c.end(outcome{}, 0)
		return
	case err != nil, resp == nil:
		c.end(sendOutcome(err), 0)
		return
	}
	c.answered = clock()
	c.status, c.protocol = resp.StatusCode, protocol(resp.ProtoMajor, resp.ProtoMinor)
	if list := c.transport.cfg.capture().Response.list; !list.Empty() && c.span.IsRecording() {
		c.span.Describe(list.AppendResponse(nil, resp.Header)) // now: the caller may change the header
	}
	if resp.Body == nil || resp.Body == http.NoBody {
		c.end(outcome{}, 0)
		return
	}
	resp.Body = newBody(resp.Body, c)
}

// end ends the span of a request whose response had a body of the given size in bytes. c is gone
// then.
func (c *call) end(out outcome, size int64) {
	c.finish(out, size)
	calls.Put(c)
}

// finish is what end does, less giving c back.
func (c *call) finish(out outcome, size int64) {
	c.out, c.size = c.outcome(out), size
	if c.meters != nil {
		c.meters.end(c)
	}
	if c.span.IsRecording() {
		c.span.DescribeBy((*endedCall)(c))
		if c.out.failed {
			c.span.SetStatus(codes.Error, c.out.description)
		}
	}
	c.span.End()
}

// leak is c's finalizer. A call that the pool has dropped has ended, or was never sent.
func (c *call) leak() {
	if c.sent == 0 {
		return
	}
	c.transport.leaked.Add(1)
	c.finish(outcome{errorType: errorLeaked, failed: true, description: "the response's body was never closed"}, 0)
}
