package span_test

import (
	"context"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/span"
)

// Spec: W3C Trace Context Level 2, section 3.2.2.5, trace-flags.
func TestFlags(t *testing.T) {
	const sampled, random = trace.FlagsSampled, trace.FlagsRandom
	for _, tt := range []struct {
		rule    string
		ids     sdktrace.IDGenerator
		parent  trace.SpanContext
		sampler sdktrace.Sampler // nil: what the parent says
		want    trace.TraceFlags
	}{
		{"a root of ours is random", nil, trace.SpanContext{}, nil, sampled | random},
		{"a root of ours is random if unsampled", nil, trace.SpanContext{}, sdktrace.NeverSample(), random},
		{"a root of a foreign generator is not", new(sequence), trace.SpanContext{}, nil, sampled},
		{"a child inherits the random flag", nil, remote(sampled | random), nil, sampled | random},
		{"a child inherits its absence", nil, remote(sampled), nil, sampled},
		{"a child of a foreign generator inherits it", new(sequence), remote(sampled | random), nil, sampled | random},
		{"an unsampled child inherits it", nil, remote(random), nil, random},
		{"unknown flags are dropped", nil, remote(0xff), nil, sampled | random},
		{"unknown flags alone are dropped", nil, remote(0xfc), nil, 0},
		{"the sampled flag is the sampler's to set", nil, remote(0), sdktrace.AlwaysSample(), sampled},
		{"the sampled flag is the sampler's to clear", nil, remote(sampled), sdktrace.NeverSample(), 0},
		{"record only is not sampled", nil, remote(sampled), decide(sdktrace.RecordOnly), 0},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			tracer := newProvider(t, span.Config{IDGenerator: tt.ids, Sampler: tt.sampler}).Tracer("test")
			ctx, s := tracer.Start(trace.ContextWithRemoteSpanContext(context.Background(), tt.parent), "test")
			defer s.End()
			if got := s.SpanContext().TraceFlags(); got != tt.want {
				t.Errorf("flags %08b, want %08b", got, tt.want)
			}
			_, child := tracer.Start(ctx, "child")
			defer child.End()
			if got := child.SpanContext().TraceFlags(); got != tt.want {
				t.Errorf("flags of a child %08b, want %08b", got, tt.want)
			}
			if s.SpanContext().IsRemote() || child.SpanContext().IsRemote() {
				t.Error("a span of ours is remote")
			}
		})
	}
}

func TestIDs(t *testing.T) {
	const n = 1000
	tracer := newProvider(t, span.Config{}).Tracer("test")
	traces, spans := make(map[trace.TraceID]bool), make(map[trace.SpanID]bool)
	var traceOnes, traceZeros trace.TraceID
	var spanOnes, spanZeros trace.SpanID
	for range n {
		_, s := tracer.Start(context.Background(), "test")
		s.End()
		traceID, spanID := s.SpanContext().TraceID(), s.SpanContext().SpanID()
		traces[traceID], spans[spanID] = true, true
		for i, b := range traceID {
			traceOnes[i] |= b
			traceZeros[i] |= ^b
		}
		for i, b := range spanID {
			spanOnes[i] |= b
			spanZeros[i] |= ^b
		}
	}
	if len(traces) != n || len(spans) != n {
		t.Errorf("%d roots have %d trace IDs and %d span IDs", n, len(traces), len(spans))
	}
	for _, all := range [][]byte{traceOnes[:], traceZeros[:], spanOnes[:], spanZeros[:]} {
		for i, b := range all {
			if b != 0xff {
				t.Errorf("in %d IDs, byte %d of %d varies only in %08b", n, i, len(all), b)
			}
		}
	}
}

func TestForeignIDGenerator(t *testing.T) {
	tracer := newProvider(t, span.Config{IDGenerator: new(sequence)}).Tracer("test")
	ctx, root := tracer.Start(context.Background(), "root")
	defer root.End()
	_, child := tracer.Start(ctx, "child")
	defer child.End()
	_, other := tracer.Start(ctx, "other", trace.WithNewRoot())
	defer other.End()
	for _, tt := range []struct {
		rule    string
		sc      trace.SpanContext
		traceID trace.TraceID
		spanID  trace.SpanID
	}{
		{"a root has both IDs from the generator", root.SpanContext(), trace.TraceID{15: 1}, trace.SpanID{7: 2}},
		{"a child has its span ID from it", child.SpanContext(), trace.TraceID{15: 1}, trace.SpanID{7: 3}},
		{"a new root has both again", other.SpanContext(), trace.TraceID{15: 4}, trace.SpanID{7: 5}},
	} {
		if tt.sc.TraceID() != tt.traceID || tt.sc.SpanID() != tt.spanID {
			t.Errorf("%s: %v %v, want %v %v", tt.rule, tt.sc.TraceID(), tt.sc.SpanID(), tt.traceID, tt.spanID)
		}
	}
}
