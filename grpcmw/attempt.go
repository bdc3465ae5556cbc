package grpcmw

import (
	"context"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

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
	sent     bool      // something of it has left
	peer     address   // to where
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
	if c.last.unused(ctx) {
		c.last.ended, c.last.err = time.Time{}, nil
		return c.last
	}
	a := c.first
	if c.last == nil {
		if a == nil {
			a = new(attempt)
			c.first = a
		}
		if info.NameResolutionDelay && c.span.Span != nil {
			c.span.AddEvent(resolvedEvent)
		}
	} else {
		c.divide()
		a = &attempt{previous: c.last.previous + 1}
		ctx, a.span = c.startAttempt(trace.ContextWithSpan(ctx, trace.SpanFromContext(c.rpc.Context)), a.previous, time.Time{})
		ctx = c.inject(ctx, c.to)
	}
	a.Context, a.call = ctx, c
	c.last = a
	return a
}

// unused reports whether nothing of the attempt has left, and gRPC makes another one in its place, with
// the given context. It does so as long as the connection that it picks turns out to be closed, and
// does not say of each that it has ended.
func (a *attempt) unused(ctx context.Context) bool {
	return a != nil && !a.sent && a.Done() == ctx.Done()
}

// divide tells the attempts apart when there is another one: the first one gets a span of its own,
// and one of which gRPC does not say how it ended has failed.
func (c *called) divide() {
	if c.last == c.first {
		_, c.first.span = c.startAttempt(c.rpc.Context, 0, c.notBefore(c.first.began))
		if c.first.told() {
			c.first.endSpan()
		}
	}
	if c.last.untold() {
		c.last.err = errUntold
		c.last.endSpan()
	}
}

// notBefore returns t, or when the call's span started if that is later.
func (c *called) notBefore(t time.Time) time.Time {
	if span, ok := c.span.Span.(interface{ StartTime() time.Time }); ok && t.Before(span.StartTime()) {
		return span.StartTime()
	}
	return t
}

// startAttempt starts the span of an attempt, below the call's.
func (c *called) startAttempt(ctx context.Context, previous int, began time.Time) (context.Context, global.Span) {
	t := c.tracers.Load()
	if t == nil || c.span.Span == nil {
		return ctx, global.Span{}
	}
	ctx, span := t.Start(ctx, &seam.Start{
		Name:  c.method + " attempt",
		Kind:  trace.SpanKindClient,
		Attrs: appendAttempt(nil, c.method, c.to, previous),
		Time:  began,
	})
	if !span.IsRecording() {
		return ctx, global.Span{}
	}
	return ctx, span
}

// begin notes that the attempt has begun.
func (a *attempt) begin(event *stats.Begin) {
	a.call.mu.Lock()
	defer a.call.mu.Unlock()
	a.began = event.BeginTime
	a.call.sends, a.call.streams = event.IsClientStream, event.IsClientStream || event.IsServerStream
	if event.IsTransparentRetryAttempt && a.span.Span != nil {
		a.span.SetAttributes(transparentRetryKey.Bool(true))
	}
}

// leave notes where the attempt is sent to.
func (a *attempt) leave(event *stats.OutHeader) {
	a.call.mu.Lock()
	defer a.call.mu.Unlock()
	a.sent, a.peer = true, a.call.peers.address(event.RemoteAddr)
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
	a.call.err, a.call.errTime = a.err, a.ended
	if a.told() {
		a.endSpan()
	}
}

// told reports whether the attempt has ended, and that is all there is to say of it.
func (a *attempt) told() bool { return a.sent && !a.ended.IsZero() && !a.untold() }

// untold reports whether the attempt may have failed although gRPC has told of no error: it does not
// if the client noticed by failing to send more.
func (a *attempt) untold() bool {
	return a.err == nil && !a.ended.IsZero() && a.call.sends && !a.answered.Load()
}

var errUntold = status.Error(codes.Unknown, "another attempt was made")

// endSpan ends the attempt's own span, if it has one.
func (a *attempt) endSpan() {
	if a.span.Span == nil {
		return
	}
	out := clientOutcome(a.err)
	describeOutcome(a.span, &out, func(dst []attribute.KeyValue) []attribute.KeyValue {
		return appendTraffic(appendPeer(dst, a.peer), &a.traffic, a.call.streams)
	})
	a.span.Span.End(trace.WithTimestamp(a.ended))
}

// mayBeRetried reports whether gRPC may make another attempt now that this one has ended: it does so
// by itself if no server has seen the first one, and by a policy usually for the same status.
//
// Spec: gRFC A6, Client Retries, https://github.com/grpc/proposal/blob/master/A6-client-retries.md
func (a *attempt) mayBeRetried() bool {
	failed := clientOutcome(a.err).code == codes.Unavailable && !a.answered.Load()
	return (failed || a.untold()) && a.Err() == nil
}
