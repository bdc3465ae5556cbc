package propagation

import (
	"context"
	"encoding/binary"
	"strconv"
	"strings"

	otelpropagation "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

const (
	maxDatadogTags = 512          // what Datadog's own tracers allow
	datadogTIDTag  = "_dd.p.tid=" // the upper half of the trace ID
)

// DatadogHeaders are the values of Datadog's headers; "" is an absent one.
type DatadogHeaders struct {
	TraceID          string // x-datadog-trace-id: the lower half of the trace ID, decimal
	ParentID         string // x-datadog-parent-id: the span ID, decimal
	SamplingPriority string // x-datadog-sampling-priority
	Tags             string // x-datadog-tags, of which _dd.p.tid is read
}

// ParseDatadog parses Datadog's headers. The span context is valid and remote; the decision is
// [Deferred] if there is no priority, otherwise [NoDecision]: a priority above zero is sampled.
// Tags that are malformed or too long are ignored, as Datadog's tracers do. ParseDatadog does not
// allocate.
//
// The error is [ErrMissing], [ErrSyntax], [ErrZeroID] or [ErrSampling].
//
// Spec: Datadog, Trace Context Propagation, https://docs.datadoghq.com/tracing/trace_collection/trace_context_propagation/
func ParseDatadog(h DatadogHeaders) (trace.SpanContext, Decision, error) {
	if h.TraceID == "" || h.ParentID == "" {
		return trace.SpanContext{}, NoDecision, ErrMissing
	}
	traceID, ok1 := parseUint64(h.TraceID)
	spanID, ok2 := parseUint64(h.ParentID)
	if !ok1 || !ok2 {
		return trace.SpanContext{}, NoDecision, ErrSyntax
	}
	if traceID == 0 || spanID == 0 {
		return trace.SpanContext{}, NoDecision, ErrZeroID
	}
	sc, decision := trace.SpanContextConfig{Remote: true}, NoDecision
	binary.BigEndian.PutUint64(sc.TraceID[8:], traceID)
	binary.BigEndian.PutUint64(sc.SpanID[:], spanID)
	h.upperTraceID(sc.TraceID[:8])
	priority, negative := strings.CutPrefix(h.SamplingPriority, "-")
	switch level, ok := parseUint64(priority); {
	case h.SamplingPriority == "":
		decision = Deferred
	case !ok:
		return trace.SpanContext{}, NoDecision, ErrSampling
	case level > 0 && !negative:
		sc.TraceFlags = trace.FlagsSampled
	}
	return trace.NewSpanContext(sc), decision, nil
}

// upperTraceID reads the upper half of the trace ID from the tags, if it is there.
func (h *DatadogHeaders) upperTraceID(dst []byte) {
	if len(h.Tags) > maxDatadogTags {
		return
	}
	for rest, more := h.Tags, true; more; {
		var tag string
		tag, rest, more = strings.Cut(rest, ",")
		if value, ok := strings.CutPrefix(tag, datadogTIDTag); ok {
			in := scanner{rest: value}
			if in.hex(dst); in.failed || in.rest != "" {
				clear(dst)
			}
			return
		}
	}
}

// parseUint64 parses a decimal number. strconv.ParseUint would allocate its error.
func parseUint64(s string) (n uint64, ok bool) {
	if s == "" || len(s) > len("18446744073709551615") {
		return 0, false
	}
	for i := range len(s) {
		digit := uint64(s[i] - '0')
		if digit > 9 || n > (1<<64-1-digit)/10 {
			return 0, false
		}
		n = n*10 + digit
	}
	return n, true
}

// Datadog is the propagator of the headers x-datadog-trace-id, x-datadog-parent-id,
// x-datadog-sampling-priority and x-datadog-tags.
//
// Of the tags it reads and writes the upper half of the trace ID; the others and
// x-datadog-origin are not carried on. A trace whose ID has a lower half of zero cannot be
// written.
//
// In Linkerd's mesh: the proxy neither reads nor writes any of these.
//
// Spec: Datadog, Trace Context Propagation, https://docs.datadoghq.com/tracing/trace_collection/trace_context_propagation/
type Datadog struct {
	_ struct{}
}

var _ otelpropagation.TextMapPropagator = Datadog{}

// Extract returns ctx with the remote span context that from holds, or ctx if it holds none.
func (p Datadog) Extract(ctx context.Context, from otelpropagation.TextMapCarrier) context.Context {
	return extract(ctx, from, p)
}

// Inject writes the span context of ctx into the carrier, and removes what Datadog's headers
// say beside it. Without a span in ctx it writes nothing, and removes headers that are malformed.
func (p Datadog) Inject(ctx context.Context, into otelpropagation.TextMapCarrier) {
	inject(ctx, into, p)
}

// Fields returns the names of the headers that Inject writes.
func (p Datadog) Fields() []string { return p.writes().names() }

func (p Datadog) reads() fieldSet { return p.writes() | fieldsOf(fieldDatadogOrigin) }
func (Datadog) heads() fieldSet   { return fieldsOf(fieldDatadogTraceID) }
func (Datadog) writes() fieldSet {
	return fieldsOf(fieldDatadogTraceID, fieldDatadogParentID, fieldDatadogPriority, fieldDatadogTags)
}

func (Datadog) read(c carrier) found {
	h := DatadogHeaders{TraceID: c.first(fieldDatadogTraceID)}
	if h.TraceID == "" {
		return found{}
	}
	h.ParentID = c.first(fieldDatadogParentID)
	h.SamplingPriority = c.first(fieldDatadogPriority)
	h.Tags = c.first(fieldDatadogTags)
	sc, decision, err := ParseDatadog(h)
	if err != nil {
		return found{}
	}
	return found{sc: sc, decision: decision}
}

func (p Datadog) write(ctx context.Context, sc trace.SpanContext, c carrier) {
	b := new(block)
	b.addDatadog(sc, decisionFor(ctx, sc))
	b.write(&c, fieldDatadogTraceID, fieldDatadogParentID, fieldDatadogPriority, fieldDatadogTags)
}

func (b *block) addDatadog(sc trace.SpanContext, decision Decision) {
	traceID, spanID := sc.TraceID(), sc.SpanID()
	lower, upper := binary.BigEndian.Uint64(traceID[8:]), traceID[:8]
	if lower == 0 {
		return
	}
	b.add(0, strconv.AppendUint(b.free(), lower, 10))
	b.add(1, strconv.AppendUint(b.free(), binary.BigEndian.Uint64(spanID[:]), 10))
	switch {
	case decision == Deferred:
	case sc.IsSampled():
		b.values[2] = "1"
	default:
		b.values[2] = "0"
	}
	if binary.BigEndian.Uint64(upper) != 0 {
		b.add(3, appendHex(append(b.free(), datadogTIDTag...), upper))
	}
}
