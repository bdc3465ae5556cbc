package sampler

import (
	"context"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/internal/sdkseam"
)

// adapt returns s as a sampler that is told the parent. Nil stands for every trace.
func adapt(s sdktrace.Sampler) sdkseam.Sampler {
	if s, ok := s.(sdkseam.Sampler); ok {
		return s
	}
	switch s {
	case nil, sdktrace.AlwaysSample():
		return constant{sdktrace.AlwaysSample(), true}
	case sdktrace.NeverSample():
		return constant{s, false}
	}
	return foreign{s}
}

// constant is one of OpenTelemetry's two samplers that look at nothing.
type constant struct {
	sdktrace.Sampler
	sampled bool
}

func (s constant) Sample(parent trace.SpanContext, _ sdktrace.SamplingParameters) sdktrace.SamplingResult {
	return decide(s.sampled, parent)
}

func (s constant) AsksAttributes() bool { return false }

// foreign is a sampler that knows only OpenTelemetry's interface.
type foreign struct{ sdktrace.Sampler }

// Sample puts the parent where s looks for it. A context that holds it already stays as it is: the
// span in it may be more than its span context.
func (s foreign) Sample(parent trace.SpanContext, p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	if !trace.SpanContextFromContext(p.ParentContext).Equal(parent) {
		if p.ParentContext == nil {
			p.ParentContext = context.Background()
		}
		p.ParentContext = trace.ContextWithSpanContext(p.ParentContext, parent)
	}
	return s.ShouldSample(p)
}

func (s foreign) AsksAttributes() bool { return true }
