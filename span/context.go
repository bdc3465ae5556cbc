package span

// A span is its own context. context.WithValue would make a second object for each span, only to
// answer one question: which span is current?

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/meshtrace/meshtrace/internal/contextkey"
)

// spanKey is the key under which OpenTelemetry's API looks for the current span.
var spanKey = contextkey.Of(func(ctx context.Context) { trace.SpanFromContext(ctx) })

// Value answers with s where the current span is asked for. Everything else is the parent
// context's to answer.
func (s *recording) Value(key any) any {
	if key == spanKey {
		return s
	}
	return s.Context.Value(key)
}

// String keeps fmt from looking into a span, which others may be writing to, when it prints a
// context.
func (s *recording) String() string { return contextName(s.Context, s.sc) }

func contextName(parent context.Context, sc trace.SpanContext) string {
	return fmt.Sprintf("%v.WithSpan(%v)", parent, sc.SpanID())
}

// context returns the context that holds s: s itself. Should a later OpenTelemetry find the
// current span without asking for a key, spanKey is nil, and this is the ordinary way.
func (s *recording) context() context.Context {
	if spanKey == nil {
		return trace.ContextWithSpan(s.Context, s)
	}
	return s
}

// inert is a span that does nothing.
var inert trace.Span = noop.Span{}

// unsampled is a span that only has a span context, for what is called downstream.
type unsampled struct {
	trace.Span      // inert: by reference, as OpenTelemetry's own holds a second span context
	context.Context // the parent's

	provider *Provider
	sc       trace.SpanContext
}

// newUnsampled returns a span that does not record, and the context that holds it.
func newUnsampled(ctx context.Context, p *Provider, sc trace.SpanContext) (context.Context, trace.Span) {
	s := &unsampled{Span: inert, Context: ctx, provider: p, sc: sc}
	if spanKey == nil {
		return trace.ContextWithSpan(ctx, s), s
	}
	return s, s
}

func (s *unsampled) Value(key any) any {
	if key == spanKey {
		return s
	}
	return s.Context.Value(key)
}

func (s *unsampled) String() string { return contextName(s.Context, s.sc) }

// SpanContext returns the context that children of this span take over.
func (s *unsampled) SpanContext() trace.SpanContext { return s.sc }

// TracerProvider returns the provider that started the span.
func (s *unsampled) TracerProvider() trace.TracerProvider { return s.provider }
