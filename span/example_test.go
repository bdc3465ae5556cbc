package span_test

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/span"
)

// Any exporter will do: this one keeps the spans in memory.
func ExampleNewProvider() {
	ctx := context.Background()
	memory := tracetest.NewInMemoryExporter()
	provider, err := span.NewProvider(span.Config{Exporter: memory})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer provider.Shutdown(ctx)

	tracer := provider.Tracer("example")
	ctx, request := tracer.Start(ctx, "GET /profile", trace.WithSpanKind(trace.SpanKindServer))
	_, query := tracer.Start(ctx, "SELECT profile", trace.WithSpanKind(trace.SpanKindClient))
	query.SetAttributes(attribute.Int("db.response.returned_rows", 0))
	query.SetStatus(codes.Error, "no such profile")
	query.End()
	request.End()

	provider.ForceFlush(ctx)
	for _, s := range memory.GetSpans() {
		fmt.Println(s.SpanKind, s.Name, s.Status.Description, s.Parent.SpanID() == request.SpanContext().SpanID())
	}
	fmt.Printf("%+v\n", provider.Stats())
	// Output:
	// client SELECT profile no such profile true
	// server GET /profile  false
	// {Started:2 Unsampled:0 Ended:2}
}

// A processor sees every span as it starts, and may write to it.
func ExampleConfig_processors() {
	provider, err := span.NewProvider(span.Config{
		Processors: []sdktrace.SpanProcessor{tenant{}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, s := provider.Tracer("example").Start(context.Background(), "GET /profile")
	s.End()
	// Output: GET /profile [{"tenant":"acme"}]
}

// tenant marks each span.
type tenant struct{ sdktrace.SpanProcessor }

func (tenant) OnStart(_ context.Context, s sdktrace.ReadWriteSpan) {
	s.SetAttributes(attribute.String("tenant", "acme"))
}

func (tenant) OnEnd(s sdktrace.ReadOnlySpan) {
	fmt.Println(s.Name(), s.Attributes())
}
