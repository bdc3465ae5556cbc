package propagation

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	otelpropagation "go.opentelemetry.io/otel/propagation"
)

// FromNames returns the propagator that names ask for, as in the environment variable
// OTEL_PROPAGATORS: each reads and writes its format, and the first that yields a span context
// wins. The names are
//
//	tracecontext  [TraceContext]
//	baggage       [Baggage]
//	b3            [B3Single]
//	b3multi       [B3]
//	jaeger        [Jaeger]
//	xray          [XRay]
//	datadog       [Datadog]
//	grpctracebin  [GRPCTraceBin]
//	linkerd       [Linkerd]
//	linkerdb3     [LinkerdB3]
//	none          nothing; not beside other names
//
// Of a name that comes twice the second is ignored, and so are spaces around names, and their
// case. Without any name the result is that of none. The error names all that is wrong.
//
// In Linkerd's mesh tracecontext must stand before b3multi: the proxy rewrites only the first of
// the two that it finds.
//
// Spec: OpenTelemetry, Environment Variable Specification, https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#general-sdk-configuration
func FromNames(names ...string) (otelpropagation.TextMapPropagator, error) {
	members, seen := []otelpropagation.TextMapPropagator{}, []string{}
	var wrong []string
	for _, name := range names {
		name = strings.ToLower(strings.TrimSpace(name))
		if name == "" || slices.Contains(seen, name) {
			continue
		}
		seen = append(seen, name)
		if p := named(name); p != nil {
			members = append(members, p)
		} else if name != "none" {
			wrong = append(wrong, strconv.Quote(cut(name)))
		}
	}
	if len(wrong) > 0 {
		return nil, fmt.Errorf("propagation: name %s: want tracecontext, baggage, b3, b3multi, jaeger, xray, datadog, "+
			"grpctracebin, linkerd, linkerdb3 or none", strings.Join(wrong, ", "))
	}
	if slices.Contains(seen, "none") && len(seen) > 1 {
		return nil, fmt.Errorf(`propagation: name "none": want no other name beside it`)
	}
	return New(Config{Extract: members, Inject: members}), nil
}

func named(name string) otelpropagation.TextMapPropagator {
	switch name {
	case "tracecontext":
		return TraceContext{}
	case "baggage":
		return Baggage{}
	case "b3":
		return B3Single{}
	case "b3multi":
		return B3{}
	case "jaeger":
		return Jaeger{}
	case "xray":
		return XRay{}
	case "datadog":
		return Datadog{}
	case "grpctracebin":
		return GRPCTraceBin{}
	case "linkerd":
		return Linkerd()
	case "linkerdb3":
		return LinkerdB3()
	}
	return nil
}

// cut returns no more of a text that is not ours than an error should hold.
func cut(s string) string { return s[:min(len(s), 64)] }
