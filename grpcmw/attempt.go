package grpcmw

import (
	"context"
	"net"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"

	"github.com/meshtrace/meshtrace/internal/global"
	"github.com/meshtrace/meshtrace/internal/seam"
)

// An attempt is one try of gRPC's at a call, and the context of that. The only attempt at a call has
// no span but the call's.
type attempt struct {
	context.Context

	call     *called
	previous int         // attempts at the same call
	span     global.Span // its own; the zero one as long as it is the only attempt
	began    time.Time
	ended    time.Time // zero until it has
	err      error     // that it ended with
	peer     net.Addr  // that it was sent to; nil if it was not
	answered atomic.Bool
	traffic  traffic
}

type attemptKey struct{}

// Value returns a to those who look for it, and otherwise what the context below has. The call is
// hidden: what is called with the context of a stream is another one.
func (a *attempt) Value(key any) any {
	switch key {
	case attemptKey{}:
		return a
	case calledKey{}:
		return nil
	}
	return a.Context.Value(key)
}

// attempt returns the context for another attempt at the call, in the one that gRPC has for it.
func (c *called) attempt(ctx context.Context, info *stats.RPCTagInfo) *attempt {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := &c.first
	if c.attempts > 0 {
		c.divide()
		a = &attempt{}
		ctx, a.span = c.startAttempt(trace.ContextWithSpan(ctx, trace.SpanFromContext(c.rpc.Context)), c.attempts, time.Time{})
		ctx = c.inject(ctx, c.to)
	} else if info.NameResolutionDelay && c.span.Span != nil {
		c.span.AddEvent(resolvedEvent)
	}
	a.Context, a.call, a.previous = ctx, c, c.attempts
	c.attempts++
	c.last = a
	return a
}

// divide gives the first attempt a span of its own, when there is a second one.
func (c *called) divide() {
	a := &c.first
	if c.attempts > 1 {
		return
	}
	_, a.span = c.startAttempt(c.rpc.Context, 0, a.began)
	if !a.ended.IsZero() {
		a.endSpan()
	}
}

// startAttempt starts the span of an attempt, below the call's.
func (c *called) startAttempt(ctx context.Context, previous int, began time.Time) (context.Context, global.Span) {
	t := c.tracers.Load()
	if t == nil || c.span.Span == nil {
		return ctx, global.Span{}
	}
	ctx, span := startSpan(t, ctx, seam.Start{
		Name: c.method + " attempt",
		Kind: trace.SpanKindClient,
		Time: began,
	}, func(dst []attribute.KeyValue) []attribute.KeyValue {
		return appendAttempt(appendServer(appendMethod(dst, c.method, ""), c.to), previous)
	})
	if !span.IsRecording() {
		return ctx, global.Span{}
	}
	return ctx, span
}

// begin notes that the attempt has begun.
func (a *attempt) begin(event *stats.Begin) {
	a.began = event.BeginTime
	a.call.streams = event.IsClientStream || event.IsServerStream
	if event.IsTransparentRetryAttempt && a.span.Span != nil {
		a.span.SetAttributes(transparentRetryKey.Bool(true))
	}
}

// event records what the attempt has waited for.
func (a *attempt) event(name string) {
	if span := a.shown(); span.Span != nil {
		span.AddEvent(name)
	}
}

// shown returns the span that shows the attempt.
func (a *attempt) shown() global.Span {
	if a.previous > 0 {
		return a.span
	}
	return a.call.span
}

// receive and send count messages.
func (a *attempt) receive(m message) { a.traffic.receive(a.shown(), m, a.call.cfg.MessageEvents) }
func (a *attempt) send(m message)    { a.traffic.send(a.shown(), m, a.call.cfg.MessageEvents) }

// respond records metadata of the response.
func (a *attempt) respond(md metadata.MD) {
	a.call.cfg.Capture.Response.setResponse(a.shown(), md)
}

// end notes how the attempt ended.
func (a *attempt) end(event *stats.End) {
	a.call.mu.Lock()
	defer a.call.mu.Unlock()
	a.err, a.ended = event.Error, event.EndTime
	if a.span.Span != nil {
		a.endSpan()
	}
}

// endSpan ends the attempt's own span.
func (a *attempt) endSpan() {
	out := clientOutcome(a.err)
	describeOutcome(a.span, &out, a.appendTo)
	a.span.Span.End(trace.WithTimestamp(a.ended))
}

// appendTo appends what the attempt was about beside its outcome.
func (a *attempt) appendTo(dst []attribute.KeyValue) []attribute.KeyValue {
	return appendTraffic(appendPeer(dst, addressOf(a.peer)), &a.traffic, a.call.streams)
}

// mayBeRetried reports whether gRPC may make another attempt now that this one has failed: it does
// so by itself if no server has seen the first one, and by a policy usually for the same status.
//
// Spec: gRFC A6, Client Retries, https://github.com/grpc/proposal/blob/master/A6-client-retries.md
func (a *attempt) mayBeRetried() bool {
	return clientOutcome(a.err).code == codes.Unavailable && !a.answered.Load() && a.Err() == nil
}
