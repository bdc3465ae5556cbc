package propagation

import (
	"fmt"
	"strings"

	otelpropagation "go.opentelemetry.io/otel/propagation"
)

// FromNames returns the propagator that a list of names, as in OTEL_PROPAGATORS, stands for: the
// formats are read in the order given, and all are written. "linkerd" is what [Linkerd] returns,
// and "none", alone, neither reads nor writes anything.
//
// The error names what is not a name.
//
// Spec: OpenTelemetry Environment Variable Specification, OTEL_PROPAGATORS,
// https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
func FromNames(names ...string) (otelpropagation.TextMapPropagator, error) {
	formats := make([]otelpropagation.TextMapPropagator, 0, len(names))
	for _, name := range names {
		switch strings.TrimSpace(name) {
		case "tracecontext":
			formats = append(formats, TraceContext{})
		case "baggage":
			formats = append(formats, Baggage{})
		case "b3":
			formats = append(formats, B3Single{})
		case "b3multi":
			formats = append(formats, B3{})
		case "linkerd":
			formats = append(formats, Linkerd())
		case "none", "":
		default:
			return nil, fmt.Errorf("propagation: FromNames(%q): no such format", name)
		}
	}
	return New(Config{Extract: formats, Inject: formats}), nil
}
