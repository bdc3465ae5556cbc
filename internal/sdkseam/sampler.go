package sdkseam

import (
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// A Sampler is an [sdktrace.Sampler] that is told the parent's span context, where otherwise a
// context would have to be made to hold it.
type Sampler interface {
	sdktrace.Sampler

	// Sample decides as ShouldSample does. parent is the parent's span context, whether or
	// not p.ParentContext holds it; everything else in p.ParentContext counts.
	Sample(parent trace.SpanContext, p sdktrace.SamplingParameters) sdktrace.SamplingResult

	// AsksAttributes reports whether Sample looks at p.Attributes.
	AsksAttributes() bool
}
