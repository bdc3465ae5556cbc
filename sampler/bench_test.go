package sampler_test

import (
	"context"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/internal/sdkseam"
	"github.com/meshtrace/meshtrace/internal/seam"
	"github.com/meshtrace/meshtrace/sampler"
)

// BenchmarkDecision measures both ways of asking, OpenTelemetry's own samplers beside ours. The
// adversary is a deferred trace for a foreign root, for which a context has to be made.
func BenchmarkDecision(b *testing.B) {
	remote := parent(above, true, false)
	for _, bm := range []struct {
		name   string
		s      sdktrace.Sampler
		parent trace.SpanContext
		said   seam.Decision
	}{
		{"by=otel/sampler=ratio", sdktrace.TraceIDRatioBased(0.5), trace.SpanContext{}, seam.NoDecision},
		{"by=otel/sampler=parentbased/parent=none", sdktrace.ParentBased(sdktrace.TraceIDRatioBased(0.5)), trace.SpanContext{}, seam.NoDecision},
		{"by=otel/sampler=parentbased/parent=remote", sdktrace.ParentBased(sdktrace.TraceIDRatioBased(0.5)), remote, seam.NoDecision},
		{"by=us/sampler=ratio", must(sampler.Ratio(0.5)), trace.SpanContext{}, seam.NoDecision},
		{"by=us/sampler=persecond/sampled=yes", must(sampler.PerSecond(1e6, 1e9)), trace.SpanContext{}, seam.NoDecision},
		{"by=us/sampler=persecond/sampled=no", must(sampler.PerSecond(1e-9, 1)), trace.SpanContext{}, seam.NoDecision},
		{"by=us/sampler=parentbased/parent=none", sampler.ParentBased(must(sampler.Ratio(0.5))), trace.SpanContext{}, seam.NoDecision},
		{"by=us/sampler=parentbased/parent=remote", sampler.ParentBased(must(sampler.Ratio(0.5))), remote, seam.NoDecision},
		{"by=us/sampler=parentbased/parent=deferred", sampler.ParentBased(must(sampler.Ratio(0.5))), remote, seam.Deferred},
		{"by=us/sampler=parentbased/parent=deferred/root=foreign", sampler.ParentBased(sdktrace.TraceIDRatioBased(0.5)), remote, seam.Deferred},
	} {
		ctx := context.Background()
		if bm.said != seam.NoDecision {
			ctx = seam.ContextWithDecision(ctx, bm.said, bm.parent.TraceID())
		}
		public := parameters(trace.ContextWithSpanContext(ctx, bm.parent), bm.parent)
		b.Run(bm.name+"/way=public", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				bm.s.ShouldSample(public)
			}
		})
		s, ok := bm.s.(sdkseam.Sampler)
		if !ok {
			continue
		}
		fast := parameters(ctx, bm.parent)
		b.Run(bm.name+"/way=seam", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.Sample(bm.parent, fast)
			}
		})
	}
}

// BenchmarkPerSecondContended is PerSecond under a load that is far above its rate.
func BenchmarkPerSecondContended(b *testing.B) {
	s := must(sampler.PerSecond(100, 100))
	p := parameters(context.Background(), trace.SpanContext{})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			s.ShouldSample(p)
		}
	})
}
