package meshtrace_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/contrib/propagators/b3"
	"go.opentelemetry.io/otel"
	otelpropagation "go.opentelemetry.io/otel/propagation"

	"github.com/meshtrace/meshtrace"
	"github.com/meshtrace/meshtrace/propagation"
)

// started returns the propagator that Start makes the global one.
func started(t *testing.T, cfg meshtrace.Config) otelpropagation.TextMapPropagator {
	t.Helper()
	before := otel.GetTextMapPropagator()
	t.Cleanup(func() { otel.SetTextMapPropagator(before) })
	tracing, err := meshtrace.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tracing.Shutdown(t.Context()) })
	return otel.GetTextMapPropagator()
}

func TestEveryNameOfAPropagator(t *testing.T) {
	for _, tt := range []struct {
		names string
		want  []string // fields that are written
	}{
		{"", []string{"traceparent", "tracestate", "baggage"}},
		{"linkerd", []string{"traceparent", "tracestate", "baggage"}},
		{"linkerdb3", propagation.LinkerdB3().Fields()},
		{"tracecontext", []string{"traceparent", "tracestate"}},
		{"baggage", []string{"baggage"}},
		{"b3", []string{"b3"}},
		{"b3multi", propagation.B3{}.Fields()},
		{"jaeger", []string{"uber-trace-id"}},
		{"xray", []string{"x-amzn-trace-id"}},
		{"datadog", propagation.Datadog{}.Fields()},
		{"grpctracebin", []string{"grpc-trace-bin"}},
		{"none", nil},
		{"tracecontext,baggage,b3", []string{"traceparent", "tracestate", "baggage", "b3"}},
	} {
		t.Run("OTEL_PROPAGATORS="+tt.names, func(t *testing.T) {
			clearEnv(t)
			t.Setenv("OTEL_TRACES_EXPORTER", "none")
			t.Setenv("OTEL_PROPAGATORS", tt.names)
			if diff := cmp.Diff(tt.want, started(t, meshtrace.Config{}).Fields()); diff != "" {
				t.Errorf("fields (-want +got):\n%s", diff)
			}
		})
	}
}

// Contrib's propagator stands in the place of ours, alone and in an order.
func TestContribsPropagator(t *testing.T) {
	clearEnv(t)
	t.Setenv("OTEL_TRACES_EXPORTER", "none")
	theirs := b3.New(b3.WithInjectEncoding(b3.B3MultipleHeader))
	for name, p := range map[string]otelpropagation.TextMapPropagator{
		"alone":       theirs,
		"in an order": propagation.New(propagation.Config{Extract: []otelpropagation.TextMapPropagator{propagation.TraceContext{}, theirs}, Inject: []otelpropagation.TextMapPropagator{theirs}}),
	} {
		t.Run(name, func(t *testing.T) {
			global := started(t, meshtrace.Config{Propagator: p})
			in := http.Header{"X-B3-Traceid": {"4bf92f3577b34da6a3ce929d0e0e4736"}, "X-B3-Spanid": {"00f067aa0ba902b7"}, "X-B3-Sampled": {"1"}}
			out := http.Header{}
			global.Inject(global.Extract(t.Context(), otelpropagation.HeaderCarrier(in)), otelpropagation.HeaderCarrier(out))
			if diff := cmp.Diff(in, out); diff != "" {
				t.Errorf("headers passed on (-want +got):\n%s", diff)
			}
		})
	}
}
