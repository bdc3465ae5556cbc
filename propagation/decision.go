package propagation

import (
	"context"

	"github.com/meshtrace/meshtrace/internal/seam"
	"go.opentelemetry.io/otel/trace"
)

// A Decision is what a header says about sampling beyond the sampled flag of a span context.
//
// Extract puts it into the context, where the samplers of this module find it: a span context
// has no room for it.
//
// Spec: B3 Propagation, Sampling State, https://github.com/openzipkin/b3-propagation#sampling-state
type Decision = seam.Decision

// The decisions.
const (
	NoDecision = seam.NoDecision // the span context's sampled flag says all
	Deferred   = seam.Deferred   // the IDs came without a decision: the receiver takes it
	Deny       = seam.Deny       // no IDs came, but the order not to sample
	Accept     = seam.Accept     // no IDs came, but the order to sample
	Debug      = seam.Debug      // sample, and let nobody downstream object
)

// decisionFor returns what is to be sent with sc beside its sampled flag.
//
// A debug flag goes with its trace; one that came without IDs, with the traces that were started
// for that request. A deferred decision is passed on only with the caller's own span context:
// once a span was started here, somebody has decided.
func decisionFor(ctx context.Context, sc trace.SpanContext) Decision {
	decision, traceID := seam.AnyDecision(ctx)
	switch {
	case decision == Debug && sc.IsSampled() && (traceID == sc.TraceID() || !traceID.IsValid()):
		return Debug
	case decision == Deferred && sc.IsRemote() && traceID == sc.TraceID():
		return Deferred
	}
	return NoDecision
}
