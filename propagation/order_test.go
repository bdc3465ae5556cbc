package propagation_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/meshtrace/meshtrace/internal/seam"
	"github.com/meshtrace/meshtrace/propagation"
	"go.opentelemetry.io/contrib/propagators/b3"
	otelpropagation "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

func BenchmarkExtractHeader(b *testing.B) {
	h := http.Header{"Traceparent": {"00-" + tid + "-" + sid + "-01"}, "User-Agent": {"x"}, "Accept": {"y"}}
	hx := propagation.Linkerd().(seam.HeaderExtractor)
	b.ReportAllocs()
	for b.Loop() {
		hx.ExtractHeader(h)
	}
}

func BenchmarkExtract(b *testing.B) {
	h := http.Header{"Traceparent": {"00-" + tid + "-" + sid + "-01"}, "User-Agent": {"x"}, "Accept": {"y"}}
	for name, p := range map[string]otelpropagation.TextMapPropagator{
		"ours": propagation.Linkerd(), "tc": propagation.TraceContext{}, "otel": otelpropagation.TraceContext{},
		"otelcomp": otelpropagation.NewCompositeTextMapPropagator(b3.New(), otelpropagation.TraceContext{}, otelpropagation.Baggage{}),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.Extract(context.Background(), otelpropagation.HeaderCarrier(h))
			}
		})
		b.Run(name+"/empty", func(b *testing.B) {
			b.ReportAllocs()
			h := http.Header{"User-Agent": {"x"}, "Accept": {"y"}}
			for b.Loop() {
				p.Extract(context.Background(), otelpropagation.HeaderCarrier(h))
			}
		})
	}
}

func BenchmarkInject(b *testing.B) {
	sc, _ := propagation.ParseTraceparent("00-" + tid + "-" + sid + "-01")
	ctx := trace.ContextWithSpanContext(context.Background(), sc)
	for name, p := range map[string]otelpropagation.TextMapPropagator{
		"ours": propagation.Linkerd(), "tc": propagation.TraceContext{}, "otel": otelpropagation.TraceContext{},
		"b3":       propagation.B3{},
		"otelcomp": otelpropagation.NewCompositeTextMapPropagator(otelpropagation.TraceContext{}, otelpropagation.Baggage{}),
		"otelb3":   otelpropagation.NewCompositeTextMapPropagator(b3.New(b3.WithInjectEncoding(b3.B3MultipleHeader))),
	} {
		h := http.Header{"User-Agent": {"x"}, "Accept": {"y"}}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.Inject(ctx, otelpropagation.HeaderCarrier(h))
			}
		})
	}
}
