package sampler

import (
	"context"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/internal/sdkseam"
	"github.com/meshtrace/meshtrace/internal/seam"
)

// parentBased asks its root where nobody has decided before.
type parentBased struct {
	root sdkseam.Sampler
}

// ParentBased returns a sampler that follows the decision of the span's parent, local or
// remote, and asks root where there is none: at the start of a trace, and for a caller that left
// the decision to us. A nil root samples every trace.
//
// The parent's decision is its sampled flag, unless B3 or Jaeger headers, read by meshtrace's
// propagators, said more:
//
//   - a trace ID without a sampling decision is deferred: root decides;
//   - debug is sampled, whatever root says;
//   - a decision without a trace ID (deny-only as in b3: 0, accept-only as in b3: 1) holds for
//     the trace that starts here.
//
// A deferred trace that root samples lacks its parent behind a Linkerd proxy: the proxy puts its
// own span ID in, and records no span as the caller had not asked for it.
//
// ParentBased believes every caller. A service that strangers call must tell its middleware so,
// which then starts a new trace for them.
//
// The sampler is safe for concurrent use if root is. A root that is not of this package finds the
// parent in the ParentContext, even where the tracer did not put it there.
//
// Spec: B3, sampling state, https://github.com/openzipkin/b3-propagation#sampling-state-1
func ParentBased(root sdktrace.Sampler) sdktrace.Sampler {
	return &parentBased{root: adapt(root)}
}

func (s *parentBased) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	return s.Sample(trace.SpanContextFromContext(p.ParentContext), p)
}

func (s *parentBased) Sample(parent trace.SpanContext, p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	switch decisionOf(parent, p.ParentContext) {
	case seam.Accept, seam.Debug:
		return decide(true, parent)
	case seam.Deny:
		return decide(false, parent)
	default: // deferred, or a new trace
		return s.root.Sample(parent, p)
	}
}

// decisionOf returns what was decided before this span. A word about sampling in the context comes
// with a remote parent, or with none; what was said about the trace of a local parent has gone
// into that parent's flag.
func decisionOf(parent trace.SpanContext, ctx context.Context) seam.Decision {
	switch {
	case !parent.IsValid():
		return saidOf(trace.TraceID{}, ctx)
	case parent.IsRemote():
		if said := saidOf(parent.TraceID(), ctx); said != seam.NoDecision {
			return said
		}
	}
	if parent.IsSampled() {
		return seam.Accept
	}
	return seam.Deny
}

func saidOf(traceID trace.TraceID, ctx context.Context) seam.Decision {
	if ctx == nil { // OpenTelemetry's samplers bear it
		return seam.NoDecision
	}
	return seam.DecisionFromContext(ctx, traceID)
}

func (s *parentBased) AsksAttributes() bool { return s.root.AsksAttributes() }

func (s *parentBased) Description() string {
	return "ParentBased{root:" + s.root.Description() + "}"
}
