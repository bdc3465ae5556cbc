package span_test

import (
	"context"
	"fmt"
	"testing"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/meshtrace/meshtrace/internal/sdkseam"
	"github.com/meshtrace/meshtrace/internal/seam"
	"github.com/meshtrace/meshtrace/span"
)

// discard is where benchmarks send their spans.
var discard = consumer(func(*sdkseam.Record) {})

// BenchmarkSpan is a span from start to end, without an encoder. The baseline is OpenTelemetry's
// tracer that does nothing; the adversary is a span that fails, with a processor that gets a copy.
func BenchmarkSpan(b *testing.B) {
	ctx := context.Background()
	sampled := trace.ContextWithRemoteSpanContext(ctx, remote(trace.FlagsSampled))
	unsampled := trace.ContextWithRemoteSpanContext(ctx, remote(0))
	ours := newProvider(b, span.Config{Exporter: discard}).Tracer("test")
	watched := newProvider(b, span.Config{Exporter: discard, Processors: []sdktrace.SpanProcessor{processor{}}}).Tracer("test")
	for _, bm := range []struct {
		name   string
		tracer trace.Tracer
		parent context.Context
		attrs  int
		failed bool
	}{
		{"by=nobody/sampled=no/attrs=10", noop.NewTracerProvider().Tracer("test"), unsampled, 10, false},
		{"by=us/sampled=no/attrs=10", ours, unsampled, 10, false},
		{"by=us/sampled=yes/parent=none/attrs=0", ours, ctx, 0, false},
		{"by=us/sampled=yes/parent=remote/attrs=0", ours, sampled, 0, false},
		{"by=us/sampled=yes/parent=remote/attrs=3", ours, sampled, 3, false},
		{"by=us/sampled=yes/parent=remote/attrs=10", ours, sampled, 10, false},
		{"by=us/sampled=yes/parent=remote/attrs=10/failed=yes", ours, sampled, 10, true},
		{"by=us/sampled=yes/parent=remote/attrs=10/failed=yes/processors=1", watched, sampled, 10, true},
	} {
		attrs, failure := tenAttributes[:bm.attrs], badError{}
		run := func() {
			_, s := bm.tracer.Start(bm.parent, "GET /users/{id}")
			s.SetAttributes(attrs...)
			if bm.failed {
				s.RecordError(failure)
				s.SetStatus(codes.Error, "failed")
			}
			s.End()
		}
		b.Run(bm.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				run()
			}
		})
		b.Run(bm.name+"/parallel=yes", func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					run()
				}
			})
		})
	}
}

// BenchmarkStart compares the ways to start a server span with its kind, parent and attributes.
func BenchmarkStart(b *testing.B) {
	ctx, parent := context.Background(), remote(trace.FlagsSampled)
	tracer := newProvider(b, span.Config{Exporter: discard}).Tracer("test").(seam.Starter)
	b.Run("way=public", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, s := tracer.Start(trace.ContextWithRemoteSpanContext(ctx, parent), "GET",
				trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(tenAttributes...))
			s.End()
		}
	})
	b.Run("way=seam", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, s := tracer.StartSpan(ctx, seam.Start{Name: "GET", Kind: trace.SpanKindServer, Parent: parent, Attrs: tenAttributes})
			s.End()
		}
	})
	about := &subject{attrs: tenAttributes}
	b.Run("way=subject", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, s := tracer.StartSpan(ctx, seam.Start{Name: "GET", Kind: trace.SpanKindServer, Parent: parent, Subject: about})
			s.End()
		}
	})
}

// BenchmarkSetAttributes is what indexOf has to be worth: the adversary has as many keys as fit, all
// of one length.
func BenchmarkSetAttributes(b *testing.B) {
	tracer := newProvider(b, span.Config{Exporter: discard}).Tracer("test")
	for _, n := range []int{1, 10, 32, 128} {
		attrs := ints(100, 99+n)
		if n == 10 {
			attrs = tenAttributes
		}
		b.Run(fmt.Sprintf("attrs=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, s := tracer.Start(context.Background(), "test")
				s.SetAttributes(attrs...)
				s.End()
			}
		})
	}
}

// BenchmarkValue is a look through nested spans for what the outermost context holds. The baseline
// is as many contexts of package context.
func BenchmarkValue(b *testing.B) {
	tracer := newProvider(b, span.Config{Exporter: discard}).Tracer("test")
	for _, depth := range []int{1, 10, 100} {
		root := context.WithValue(context.Background(), key("a"), 1)
		spans, values := root, root
		for range depth {
			spans, _ = tracer.Start(spans, "test")
			values = context.WithValue(values, key("b"), 1)
		}
		b.Run(fmt.Sprintf("by=context/depth=%d", depth), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				values.Value(key("a"))
			}
		})
		b.Run(fmt.Sprintf("by=us/depth=%d", depth), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				spans.Value(key("a"))
			}
		})
	}
}

// BenchmarkTracer is what instrumentation pays that asks for its tracer for each request.
func BenchmarkTracer(b *testing.B) {
	p := newProvider(b, span.Config{})
	version := trace.WithInstrumentationVersion("v1.2.3")
	b.Run("parallel=no", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			p.Tracer("test", version)
		}
	})
	b.Run("parallel=yes", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				p.Tracer("test", version)
			}
		})
	})
}
