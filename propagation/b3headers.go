package propagation

import (
	"strings"

	"go.opentelemetry.io/otel/trace"
)

// B3Headers are the values of the several headers of B3; "" is an absent one.
type B3Headers struct {
	TraceID      string // X-B3-TraceId
	SpanID       string // X-B3-SpanId
	ParentSpanID string // X-B3-ParentSpanId
	Sampled      string // X-B3-Sampled
	Flags        string // X-B3-Flags
}

// ParseB3 parses the several headers of B3.
//
// With IDs the span context is valid and remote, and the decision is [Deferred] if neither
// Sampled nor Flags says anything, [Debug] if Flags is 1, whatever Sampled says, otherwise
// [NoDecision], as the sampled flag then says it. Without IDs the decision is [Deny], [Accept] or
// [Debug]. Trace IDs have 128 or 64 bits, as in [ParseB3Single]; true and false, which tracers
// older than the specification send, are read as 1 and 0. ParentSpanID is checked and dropped:
// Linkerd's proxy does not keep it up to date. ParseB3 does not allocate.
//
// The error is [ErrMissing] if one ID came without the other, or none at all and no decision
// either, [ErrSyntax], [ErrZeroID] or [ErrSampling].
//
// Spec: B3 Propagation, Multiple Headers, https://github.com/openzipkin/b3-propagation#multiple-headers
func ParseB3(h B3Headers) (trace.SpanContext, Decision, error) {
	decision, err := h.decision()
	if err != nil {
		return trace.SpanContext{}, NoDecision, err
	}
	if h.TraceID == "" && h.SpanID == "" && h.ParentSpanID == "" && decision != Deferred {
		return trace.SpanContext{}, decision, nil
	}
	if h.TraceID == "" || h.SpanID == "" {
		return trace.SpanContext{}, NoDecision, ErrMissing
	}
	sc := trace.SpanContextConfig{Remote: true}
	if err := h.ids(&sc); err != nil {
		return trace.SpanContext{}, NoDecision, err
	}
	return b3SpanContext(sc, decision)
}

// decision returns what Sampled and Flags say together.
func (h *B3Headers) decision() (Decision, error) {
	decision, err := Deferred, error(nil)
	switch {
	case h.Sampled == "":
	case len(h.Sampled) == 1 && h.Sampled != "d": // d is of the single header only
		decision, err = b3State(h.Sampled[0])
	case len(h.Sampled) == len("true") && strings.EqualFold(h.Sampled, "true"):
		decision = Accept
	case len(h.Sampled) == len("false") && strings.EqualFold(h.Sampled, "false"):
		decision = Deny
	default:
		err = ErrSampling
	}
	if err == nil && h.Flags == "1" { // any other number means nothing
		decision = Debug
	}
	return decision, err
}

func (h *B3Headers) ids(sc *trace.SpanContextConfig) error {
	traceID, spanID := scanner{rest: h.TraceID}, scanner{rest: h.SpanID}
	if len(h.TraceID) == 16 {
		traceID.hexAnyCase(sc.TraceID[8:])
	} else {
		traceID.hexAnyCase(sc.TraceID[:])
	}
	traceID.end()
	spanID.hexAnyCase(sc.SpanID[:])
	spanID.end()
	if traceID.failed || spanID.failed {
		return ErrSyntax
	}
	if !sc.TraceID.IsValid() || !sc.SpanID.IsValid() {
		return ErrZeroID
	}
	if h.ParentSpanID == "" {
		return nil
	}
	var parent trace.SpanID
	in := scanner{rest: h.ParentSpanID}
	in.hexAnyCase(parent[:])
	in.end()
	if in.failed {
		return ErrSyntax
	}
	if !parent.IsValid() {
		return ErrZeroID
	}
	return nil
}
