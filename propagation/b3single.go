package propagation

import "go.opentelemetry.io/otel/trace"

// maxB3Single is the length of the longest b3 header: all four fields, IDs of 128 and 64 bits.
const maxB3Single = len("80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1-05e3ac9a4f6e3b90")

// ParseB3Single parses the value of a b3 header: {trace ID}-{span ID}-{sampling state}-{parent
// span ID}, of which the last two, or the last, may be absent; or a sampling state alone.
//
// With IDs the span context is valid and remote, and the decision is [Deferred] if there is no
// sampling state, [Debug] for d, otherwise [NoDecision], as the sampled flag then says it.
// Without IDs the decision is [Deny], [Accept] or [Debug]. The trace ID has 128 or 64 bits, of
// which the upper are then zero. The parent span ID is checked and dropped: a span context has
// none. Upper-case digits are read, since Linkerd's proxy reads them, and forwards them as they
// are. ParseB3Single does not allocate.
//
// The error is [ErrSyntax], [ErrZeroID], [ErrSampling] or [ErrTooLong].
//
// Spec: B3 Propagation, Single Header, https://github.com/openzipkin/b3-propagation#single-header
func ParseB3Single(value string) (trace.SpanContext, Decision, error) {
	if len(value) > maxB3Single {
		return trace.SpanContext{}, NoDecision, ErrTooLong
	}
	if len(value) == 1 {
		decision, err := b3State(value[0])
		return trace.SpanContext{}, decision, err
	}
	sc, in := trace.SpanContextConfig{Remote: true}, scanner{rest: value}
	if len(value) > 16 && value[16] == '-' {
		in.hexAnyCase(sc.TraceID[8:])
	} else {
		in.hexAnyCase(sc.TraceID[:])
	}
	in.skip('-')
	in.hexAnyCase(sc.SpanID[:])
	if in.failed {
		return trace.SpanContext{}, NoDecision, ErrSyntax
	}
	decision, err := in.b3StateAndParent()
	if err == nil && (!sc.TraceID.IsValid() || !sc.SpanID.IsValid()) {
		err = ErrZeroID
	}
	if err != nil {
		return trace.SpanContext{}, NoDecision, err
	}
	return b3SpanContext(sc, decision)
}

// b3StateAndParent reads the last two fields. The fourth cannot come without the third.
func (in *scanner) b3StateAndParent() (Decision, error) {
	if in.rest == "" {
		return Deferred, nil
	}
	in.skip('-')
	if in.failed || in.rest == "" {
		return NoDecision, ErrSyntax
	}
	decision, err := b3State(in.rest[0])
	if err != nil {
		return NoDecision, err
	}
	if in.rest = in.rest[1:]; in.rest == "" {
		return decision, nil
	}
	var parent trace.SpanID
	in.skip('-')
	in.hexAnyCase(parent[:])
	in.end()
	if in.failed {
		return NoDecision, ErrSyntax
	}
	if !parent.IsValid() {
		return NoDecision, ErrZeroID
	}
	return decision, nil
}

// b3State returns the decision that a sampling state stands for.
func b3State(state byte) (Decision, error) {
	switch state {
	case '0':
		return Deny, nil
	case '1':
		return Accept, nil
	case 'd':
		return Debug, nil
	}
	return NoDecision, ErrSampling
}

// b3SpanContext puts the decision into the sampled flag, as far as that can say it, and returns
// what is left of it.
func b3SpanContext(sc trace.SpanContextConfig, decision Decision) (trace.SpanContext, Decision, error) {
	if decision == Accept || decision == Debug {
		sc.TraceFlags = trace.FlagsSampled
	}
	if decision == Accept || decision == Deny {
		decision = NoDecision
	}
	return trace.NewSpanContext(sc), decision, nil
}

// AppendB3Single appends the value of a b3 header to dst: without a sampling state for
// [Deferred], with d for [Debug], otherwise with the sampled flag. It writes zero IDs as they
// are; check sc.IsValid first.
//
// Spec: B3 Propagation, Single Header, https://github.com/openzipkin/b3-propagation#single-header
func AppendB3Single(dst []byte, sc trace.SpanContext, decision Decision) []byte {
	return appendB3Single(dst, sc, decision, false)
}

func appendB3Single(dst []byte, sc trace.SpanContext, decision Decision, traceID64 bool) []byte {
	traceID, spanID := sc.TraceID(), sc.SpanID()
	if traceID64 {
		dst = appendHex(dst, traceID[8:])
	} else {
		dst = appendHex(dst, traceID[:])
	}
	dst = append(dst, '-')
	dst = appendHex(dst, spanID[:])
	switch {
	case decision == Deferred:
		return dst
	case decision == Debug:
		return append(dst, "-d"...)
	case sc.IsSampled():
		return append(dst, "-1"...)
	}
	return append(dst, "-0"...)
}
