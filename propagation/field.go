package propagation

import "math/bits"

// A field is the name of a header field that some format uses.
type field uint8

const (
	fieldTraceparent field = iota
	fieldTracestate
	fieldBaggage
	fieldGRPCTraceBin
	fieldB3
	fieldB3TraceID
	fieldB3SpanID
	fieldB3ParentSpanID
	fieldB3Sampled
	fieldB3Flags
	fieldUberTraceID
	fieldJaegerDebugID
	fieldJaegerBaggage
	fieldXRay
	fieldDatadogTraceID
	fieldDatadogParentID
	fieldDatadogPriority
	fieldDatadogTags
	fieldDatadogOrigin
	fieldCount
)

// fieldNames holds every field's name as carriers in general have it, and as http.Header has.
var fieldNames = [fieldCount]struct{ lower, canonical string }{
	fieldTraceparent:     {"traceparent", "Traceparent"},
	fieldTracestate:      {"tracestate", "Tracestate"},
	fieldBaggage:         {"baggage", "Baggage"},
	fieldGRPCTraceBin:    {"grpc-trace-bin", "Grpc-Trace-Bin"},
	fieldB3:              {"b3", "B3"},
	fieldB3TraceID:       {"x-b3-traceid", "X-B3-Traceid"},
	fieldB3SpanID:        {"x-b3-spanid", "X-B3-Spanid"},
	fieldB3ParentSpanID:  {"x-b3-parentspanid", "X-B3-Parentspanid"},
	fieldB3Sampled:       {"x-b3-sampled", "X-B3-Sampled"},
	fieldB3Flags:         {"x-b3-flags", "X-B3-Flags"},
	fieldUberTraceID:     {"uber-trace-id", "Uber-Trace-Id"},
	fieldJaegerDebugID:   {"jaeger-debug-id", "Jaeger-Debug-Id"},
	fieldJaegerBaggage:   {"jaeger-baggage", "Jaeger-Baggage"},
	fieldXRay:            {"x-amzn-trace-id", "X-Amzn-Trace-Id"},
	fieldDatadogTraceID:  {"x-datadog-trace-id", "X-Datadog-Trace-Id"},
	fieldDatadogParentID: {"x-datadog-parent-id", "X-Datadog-Parent-Id"},
	fieldDatadogPriority: {"x-datadog-sampling-priority", "X-Datadog-Sampling-Priority"},
	fieldDatadogTags:     {"x-datadog-tags", "X-Datadog-Tags"},
	fieldDatadogOrigin:   {"x-datadog-origin", "X-Datadog-Origin"},
}

// fieldOf returns the field that http.Header has under key.
func fieldOf(key string) (field, bool) {
	switch key {
	case "Traceparent":
		return fieldTraceparent, true
	case "Tracestate":
		return fieldTracestate, true
	case "Baggage":
		return fieldBaggage, true
	case "Grpc-Trace-Bin":
		return fieldGRPCTraceBin, true
	case "B3":
		return fieldB3, true
	case "X-B3-Traceid":
		return fieldB3TraceID, true
	case "X-B3-Spanid":
		return fieldB3SpanID, true
	case "X-B3-Parentspanid":
		return fieldB3ParentSpanID, true
	case "X-B3-Sampled":
		return fieldB3Sampled, true
	case "X-B3-Flags":
		return fieldB3Flags, true
	case "Uber-Trace-Id":
		return fieldUberTraceID, true
	case "Jaeger-Debug-Id":
		return fieldJaegerDebugID, true
	case "Jaeger-Baggage":
		return fieldJaegerBaggage, true
	case "X-Amzn-Trace-Id":
		return fieldXRay, true
	case "X-Datadog-Trace-Id":
		return fieldDatadogTraceID, true
	case "X-Datadog-Parent-Id":
		return fieldDatadogParentID, true
	case "X-Datadog-Sampling-Priority":
		return fieldDatadogPriority, true
	case "X-Datadog-Tags":
		return fieldDatadogTags, true
	case "X-Datadog-Origin":
		return fieldDatadogOrigin, true
	}
	return 0, false
}

func (f field) lower() string     { return fieldNames[f].lower }
func (f field) canonical() string { return fieldNames[f].canonical }

// A fieldSet is a set of fields, one bit each.
type fieldSet uint32

func fieldsOf(fs ...field) (set fieldSet) {
	for _, f := range fs {
		set |= 1 << f
	}
	return set
}

// each calls do for every field of the set.
func (set fieldSet) each(do func(field)) {
	for ; set != 0; set &= set - 1 {
		do(field(bits.TrailingZeros32(uint32(set))))
	}
}

// names returns the names of the set's fields, as Fields of a propagator does.
func (set fieldSet) names() (names []string) {
	set.each(func(f field) { names = append(names, f.lower()) })
	return names
}

// Sets of fields.
const (
	everyField = fieldSet(1<<fieldCount - 1)

	// baggageFields say nothing about a trace.
	baggageFields = fieldSet(1<<fieldBaggage | 1<<fieldJaegerBaggage)

	// traceFields say where a request stands in a trace: whoever copies one from a request to
	// another forwards his caller's position as his own.
	traceFields = everyField &^ baggageFields
)
