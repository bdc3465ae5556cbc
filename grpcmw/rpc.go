package grpcmw

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/internal/exception"
	"github.com/meshtrace/meshtrace/internal/global"
)

// rpc is a call, seen from the side that makes it or from the one that serves it.
type rpc struct {
	context.Context // the span's, or what goes on without a span

	span   global.Span   // the zero one if it does not record
	meters *meters       // nil if nothing is measured
	method string        // as it is called in spans: "package.Service/Method"
	to     address       // the server, if we know what we call it
	began  time.Duration // on clock's scale, if anything is measured
}

// newRPC returns the call whose span was started as one of ctx.
func newRPC(ctx context.Context, span global.Span, meters *meters, method string) rpc {
	r := rpc{Context: ctx, meters: meters, method: method}
	if span.IsRecording() {
		r.span = span
	} else {
		span.End()
	}
	if meters != nil {
		r.began = clock()
	}
	return r
}

// observed reports whether anybody wants to know what becomes of the call.
func (r *rpc) observed() bool { return r.span.Span != nil || r.meters != nil }

// methodOf returns what a method is called in spans.
func methodOf(fullMethod string) string {
	if len(fullMethod) > 0 && fullMethod[0] == '/' {
		return fullMethod[1:]
	}
	return fullMethod
}

// An appender appends attributes.
type appender func(dst []attribute.KeyValue) []attribute.KeyValue

// describe sets attributes of a span.
func describe(span global.Span, attrs appender) {
	room := scratches.Get()
	defer scratches.Put(room)
	room.list = attrs(room.list)
	span.Describe(room.list)
}

// end measures the call, describes how it ended, and ends the span. more are attributes beside
// the outcome's. If ended is zero, the call has ended just now.
func (r *rpc) end(out *outcome, ended time.Time, more appender) {
	if r.meters != nil {
		r.meters.record(r.Context, clock()-r.began, measured{r.method, r.to, out.code, out.failed()})
	}
	if r.span.Span == nil {
		return
	}
	describeOutcome(r.span, out, more)
	if ended.IsZero() {
		r.span.End()
		return
	}
	r.span.Span.End(trace.WithTimestamp(ended))
}

// describeOutcome puts an outcome on a span.
func describeOutcome(span global.Span, out *outcome, more appender) {
	describe(span, func(dst []attribute.KeyValue) []attribute.KeyValue {
		return more(appendOutcome(dst, out))
	})
	if out.failed() {
		span.SetStatus(codes.Error, out.description)
	}
	if out.thrown != nil {
		exception.Add(span.Span, out.thrown.value, out.thrown.stack)
	}
}
