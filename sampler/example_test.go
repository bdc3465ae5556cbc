package sampler_test

import (
	"context"
	"fmt"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/sampler"
)

func ExamplePercent() {
	s, err := sampler.Percent(12.5)
	fmt.Println(s.Description(), err)

	_, err = sampler.Percent(150)
	fmt.Println(err)
	// Output:
	// Percent{12.5} <nil>
	// sampler: Percent(150): want 0 to 100
}

// The trace ID alone decides, so that two services that never spoke to each other sample the
// same traces.
func ExampleRatio() {
	quarter, err := sampler.Ratio(0.25)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, hex := range []string{
		"4bf92f3577b34da63fffffffffffffff", // the right half is below a quarter of its range
		"4bf92f3577b34da64000000000000000", // and here it is not
	} {
		id, _ := trace.TraceIDFromHex(hex)
		result := quarter.ShouldSample(sdktrace.SamplingParameters{TraceID: id})
		fmt.Println(id, result.Decision == sdktrace.RecordAndSample)
	}
	// Output:
	// 4bf92f3577b34da63fffffffffffffff true
	// 4bf92f3577b34da64000000000000000 false
}

// One trace in ten seconds, and two at once after a quiet time.
func ExamplePerSecond() {
	s, err := sampler.PerSecond(0.1, 2)
	if err != nil {
		fmt.Println(err)
		return
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithSampler(sampler.ParentBased(s)))
	for range 3 {
		_, span := provider.Tracer("example").Start(context.Background(), "GET /")
		fmt.Println(span.SpanContext().IsSampled())
	}
	// Output:
	// true
	// true
	// false
}

// The root is asked about new traces only. This one wants none of them, and yet a request that
// its caller has sampled is sampled.
func ExampleParentBased() {
	s := sampler.ParentBased(sdktrace.NeverSample())
	provider := sdktrace.NewTracerProvider(sdktrace.WithSampler(s))
	tracer := provider.Tracer("example")

	caller := trace.NewSpanContext(trace.SpanContextConfig{
		TraceID:    trace.TraceID{1},
		SpanID:     trace.SpanID{2},
		TraceFlags: trace.FlagsSampled,
		Remote:     true,
	})
	_, called := tracer.Start(trace.ContextWithSpanContext(context.Background(), caller), "GET /called")
	_, started := tracer.Start(context.Background(), "GET /started")

	fmt.Println(s.Description())
	fmt.Println(called.SpanContext().IsSampled(), started.SpanContext().IsSampled())
	// Output:
	// ParentBased{root:AlwaysOffSampler}
	// true false
}
