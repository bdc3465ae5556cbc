package httpmw

import (
	"cmp"
	"context"
	"net/http"
	"runtime/debug"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/codes"

	"github.com/meshtrace/meshtrace/internal/exception"
	"github.com/meshtrace/meshtrace/internal/global"
)

// exchange is a request that is served under observation, and its response. It is the context
// that the handler gets, so that whoever learns the route can say so, and it is inside the
// [http.ResponseWriter] that the handler gets.
//
// It is never used again: the handler may keep the context.
type exchange struct {
	context.Context // the span's

	m            *Middleware
	span         global.Span
	meters       *serverMeters                // nil if nothing is measured
	outer, inner *http.Request                // as it came, and the copy that the handler got
	upload       *uploadedBody                // the inner one's body, if its length was not announced
	path         string                       // of the route, as far as it was known when the span started
	told         atomic.Pointer[route]        // what was said of it later
	routed       atomic.Pointer[http.Request] // the innermost one that Routes saw
	active       *set                         // what it is counted by while it is, if it is
	arrived      time.Duration                // when, on clock's scale, if anything is measured
	response
}

// response is what has been seen of a response.
type response struct {
	below    http.ResponseWriter
	status   int           // the final one, 0 until it is sent
	size     int64         // of the body, in bytes
	left     time.Duration // when the first byte did, on clock's scale, if not with the last
	err      error         // the first that writing returned
	hijacked bool
	late     bool // the client had gone when the status was chosen
	returned bool // the handler did: it neither panicked nor left by runtime.Goexit
}

// observe returns the exchange that observes r, and the writer that the handler gets in place of
// w. The exchange is a context below ctx.
func (m *Middleware) observe(ctx context.Context, w http.ResponseWriter, r *http.Request) (*exchange, http.ResponseWriter) {
	observed := newWriter(w)
	x := observed.exchange()
	x.Context, x.m, x.below = ctx, m, w
	x.outer, x.inner = r, r.WithContext(x)
	x.upload = observeUpload(x.inner)
	return x, observed
}

type exchangeKey struct{}

// Value returns x to those who look for it, and otherwise what the context below has.
func (x *exchange) Value(key any) any {
	if key == (exchangeKey{}) {
		return x
	}
	return x.Context.Value(key)
}

// begin counts the request in.
func (x *exchange) begin() {
	if x.meters != nil {
		x.arrived = clock()
		x.meters.begin(x)
	}
}

// end describes what happened, counts the request out, and ends the span. A panic goes on with
// the same value. It must be deferred itself, or it would not see the panic.
func (x *exchange) end() {
	thrown := recover()
	defer x.leave() // deferred: what Config has us call may panic, too
	out := x.outcome(thrown)
	to := x.routeAfter()
	if x.span.IsRecording() {
		x.describe(out, to, thrown)
	}
	if x.meters != nil {
		x.meters.record(x, out, to)
	}
	if thrown != nil {
		panic(thrown)
	}
}

// leave does what must be done however the request ended.
func (x *exchange) leave() {
	if x.meters != nil {
		x.meters.end(x)
	}
	x.span.End()
	handBack(x.outer, x.inner)
}

// describe puts the route and the outcome on the span.
func (x *exchange) describe(out outcome, to route, thrown any) {
	if to.path != x.path {
		x.span.SetName(x.m.spanName(x.inner, to))
	}
	if to.path != x.path && x.path != "" { // it was another one at the start
		x.span.Describe(appendRoute(nil, to))
	}
	ended := endings.Get()
	defer endings.Put(ended)
	*ended = ending{x, out, to, x.firstByte()}
	x.span.DescribeBy(ended)
	if further := x.m.cfg.Attributes; further != nil {
		x.span.Describe(further(cmp.Or(x.routed.Load(), x.inner)))
	}
	if out.failed {
		x.span.SetStatus(codes.Error, out.description)
	}
	if out.panicked {
		exception.Add(x.span.Span, thrown, debug.Stack())
	}
}

// firstByte returns how long after the span's start the first byte left, or 0 if it left with the
// last.
func (x *exchange) firstByte() time.Duration {
	if started, ok := x.span.Span.(interface{ StartTime() time.Time }); ok && x.left != 0 {
		return epoch.Add(x.left).Sub(started.StartTime())
	}
	return 0
}

// epoch is when clock was 0.
var epoch = time.Now()

// clock returns the time on the monotonic clock.
func clock() time.Duration { return time.Since(epoch) }
