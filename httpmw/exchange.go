package httpmw

import (
	"context"
	"net/http"
	"runtime/debug"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/internal/global"
)

// exchange is a request that is served under observation, and its response. It is the context
// that the handler gets, so that whoever learns the route can say so, and it is inside the
// [http.ResponseWriter] that the handler gets.
//
// It is never used again: the handler may keep the context.
type exchange struct {
	context.Context // the span's

	tracer       *global.Tracer
	span         trace.Span
	outer, inner *http.Request // as it came, and the copy that the handler got
	below        http.ResponseWriter
	pattern      string // what was known of the route when the span started

	status   int   // the final one, 0 until it is sent
	size     int64 // of the body, in bytes
	err      error // the first that writing returned
	hijacked bool
	late     bool // the client had gone when the status was chosen
	returned bool // the handler did: it neither panicked nor left by runtime.Goexit
}

type exchangeKey struct{}

// Value returns x to those who look for it, and otherwise what the context below has.
func (x *exchange) Value(key any) any {
	if key == (exchangeKey{}) {
		return x
	}
	return x.Context.Value(key)
}

// begin notes that the final header leaves, unless one has.
func (x *exchange) begin(status int) {
	if x.status != 0 {
		return
	}
	x.status = status
	x.late = status >= http.StatusInternalServerError && x.Err() != nil
}

// wrote notes that n bytes of body were written.
func (x *exchange) wrote(n int64, err error) {
	x.size += n
	if x.err == nil {
		x.err = err
	}
}

// end describes what happened and ends the span. A panic goes on with the same value. end must
// itself be deferred, or it would not see the panic.
func (x *exchange) end() {
	thrown := recover()
	x.describe(thrown)
	handBack(x.outer, x.inner)
	x.span.End()
	if thrown != nil {
		panic(thrown)
	}
}

// describe puts the route and the outcome on the span.
func (x *exchange) describe(thrown any) {
	out := x.outcome(thrown)
	attrs := scratches.Get()
	attrs.list = x.appendRoute(attrs.list)
	attrs.list = x.appendResponse(attrs.list, out)
	x.tracer.SetAttributes(x.span, attrs.list)
	scratches.Put(attrs)
	if out.failed {
		x.span.SetStatus(codes.Error, out.description)
	}
	if out.panicked {
		x.span.AddEvent(exceptionEvent, trace.WithAttributes(exception(thrown, debug.Stack())...))
	}
}
