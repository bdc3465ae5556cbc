package sampler

import (
	"encoding/binary"
	"fmt"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// ratio samples the trace IDs whose number is below a bound.
type ratio struct {
	bound       uint64 // of 1<<63; IDs below it are sampled
	description string
}

// Percent returns a sampler that samples p percent of all traces, as mesh configurations say
// it: 100 is every trace, 0.1 is one in a thousand. It is [Ratio] of p/100.
//
// Use it as the root of [ParentBased], so that it is asked once a trace. It is safe for
// concurrent use. It fails unless 0 <= p <= 100.
func Percent(p float64) (sdktrace.Sampler, error) {
	if !(p >= 0 && p <= 100) { // this way round NaN is refused too
		return nil, fmt.Errorf("sampler: Percent(%v): want 0 to 100", p)
	}
	return newRatio(p/100, fmt.Sprintf("Percent{%v}", p)), nil
}

// Ratio returns a sampler that samples this fraction of all traces, by trace ID: every service
// that asks for the same fraction samples the same traces, and one that asks for more samples
// those too.
//
// Use it as the root of [ParentBased], so that it is asked once a trace. It is safe for
// concurrent use. It fails unless 0 <= fraction <= 1.
//
// The number of an ID is made of bytes 8 to 15, without the lowest bit: what OpenTelemetry's
// TraceIDRatioBased takes in Go, so that services with either agree to the ID. These are also the
// bytes that a 64-bit B3 ID has. Level 2 of W3C Trace Context promises randomness for bytes 9
// to 15 only; for IDs of a stranger whose byte 8 is not random, the fraction is not met.
func Ratio(fraction float64) (sdktrace.Sampler, error) {
	if !(fraction >= 0 && fraction <= 1) {
		return nil, fmt.Errorf("sampler: Ratio(%v): want 0 to 1", fraction)
	}
	return newRatio(fraction, fmt.Sprintf("Ratio{%v}", fraction)), nil
}

func newRatio(fraction float64, description string) *ratio {
	// Neither end is a special case: no number is below 0, and every number is below 1<<63.
	return &ratio{bound: uint64(fraction * (1 << 63)), description: description}
}

func (s *ratio) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	return s.Sample(trace.SpanContextFromContext(p.ParentContext), p)
}

func (s *ratio) Sample(parent trace.SpanContext, p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	number := binary.BigEndian.Uint64(p.TraceID[8:]) >> 1
	return decide(number < s.bound, parent)
}

func (s *ratio) AsksAttributes() bool { return false }

func (s *ratio) Description() string { return s.description }
