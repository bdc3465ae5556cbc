package sampler

import (
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// decide puts a decision into OpenTelemetry's terms. The parent's tracestate goes with it,
// sampled or not: a result without one would take what other vendors wrote out of the trace.
func decide(sampled bool, parent trace.SpanContext) sdktrace.SamplingResult {
	decision := sdktrace.Drop
	if sampled {
		decision = sdktrace.RecordAndSample
	}
	return sdktrace.SamplingResult{Decision: decision, Tracestate: parent.TraceState()}
}
