package seam

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/trace"
)

// A HeaderExtractor is a propagator that can read the common request without making a context.
type HeaderExtractor interface {
	// ExtractHeader returns the remote span context that h holds, or an invalid one. plain
	// says that this is all there is: Extract would have put nothing else into the context. If
	// plain is false, sc means nothing and the caller must use Extract.
	//
	// It does not allocate when plain, but for what a tracestate needs, and does not change h.
	ExtractHeader(h http.Header) (sc trace.SpanContext, plain bool)
}

// A MetadataExtractor is a HeaderExtractor for gRPC's metadata, whose keys are in lower case.
type MetadataExtractor interface {
	// ExtractMetadata does what ExtractHeader does. It may be content with the most usual
	// metadata, and leave all other to Extract.
	ExtractMetadata(md map[string][]string) (sc trace.SpanContext, plain bool)
}

// Decision is what a caller said about sampling beyond the sampled flag of a span context.
// Only B3 and Jaeger headers can say it. Spec: https://github.com/openzipkin/b3-propagation#sampling-state-1
type Decision uint8

// The decisions. Deferred and Debug accompany a span context, or stand alone without one;
// Accept and Deny stand alone, as a span context has a flag for them.
const (
	NoDecision Decision = iota // the span context says all, or there is none
	Deferred                   // the receiver shall decide
	Deny                       // do not sample the trace that starts here
	Accept                     // sample the trace that starts here
	Debug                      // sample, and let no sampler downstream object
)

type decisionKey struct{}

type decided struct {
	decision Decision
	traceID  trace.TraceID
}

// ContextWithDecision returns a context that carries d for the trace with the given ID, which
// is zero if the caller named no trace.
func ContextWithDecision(ctx context.Context, d Decision, traceID trace.TraceID) context.Context {
	return context.WithValue(ctx, decisionKey{}, decided{d, traceID})
}

// DecisionFromContext returns the decision that ctx carries for the trace with the given ID. One
// that was made for another trace does not count.
func DecisionFromContext(ctx context.Context, traceID trace.TraceID) Decision {
	d, _ := ctx.Value(decisionKey{}).(decided)
	if d.traceID != traceID {
		return NoDecision
	}
	return d.decision
}
