package propagation_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/meshtrace/meshtrace/propagation"
	"go.opentelemetry.io/otel/trace"
)

func TestFromNames(t *testing.T) {
	ctx, _ := span(trace.FlagsSampled)
	ctx = withBaggage(t, ctx, "user=alice")
	for _, tt := range []struct {
		names string
		want  []string // fields that are written
	}{
		{"tracecontext", []string{"traceparent"}},
		{"baggage", []string{"baggage"}},
		{"tracecontext,baggage", []string{"baggage", "traceparent"}},
		{"b3", []string{"b3"}},
		{"b3multi", []string{"x-b3-sampled", "x-b3-spanid", "x-b3-traceid"}},
		{"jaeger", []string{"uber-trace-id"}},
		{"xray", []string{"x-amzn-trace-id"}},
		{"datadog", []string{"x-datadog-parent-id", "x-datadog-sampling-priority", "x-datadog-tags", "x-datadog-trace-id"}},
		{"grpctracebin", []string{"grpc-trace-bin"}},
		{"linkerd", []string{"baggage", "traceparent"}},
		{"linkerdb3", []string{"baggage", "x-b3-sampled", "x-b3-spanid", "x-b3-traceid"}},
		{"linkerd,b3", []string{"b3", "baggage", "traceparent"}},
		{" TraceContext , b3,tracecontext,", []string{"b3", "traceparent"}},
		{"none", []string{}},
		{"", []string{}},
	} {
		t.Run(tt.names, func(t *testing.T) {
			p, err := propagation.FromNames(strings.Split(tt.names, ",")...)
			if err != nil {
				t.Fatal(err)
			}
			got := []string{}
			for key := range injected(ctx, p, nil) {
				got = append(got, strings.ToLower(key))
			}
			slices.Sort(got)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("fields (-want +got):\n%s", diff)
			}
			for _, f := range got {
				if f != "baggage" && !extracted(p, injected(ctx, p, nil)).IsValid() {
					t.Errorf("%s is not read", f)
				}
			}
		})
	}
}

func TestFromNamesRefuses(t *testing.T) {
	for _, tt := range []struct {
		rule string
		in   []string
		want []string // in the error
	}{
		{"an unknown name", []string{"tracecontext", "b3single"}, []string{`"b3single"`, "b3multi"}},
		{"all that is wrong at once", []string{"ottrace", "tracecontext", "w3c"}, []string{`"ottrace"`, `"w3c"`}},
		{"none beside another", []string{"none", "b3"}, []string{`"none"`}},
		{"a text of any length, cut", []string{strings.Repeat("x", 65) + "\n"}, []string{`"` + strings.Repeat("x", 64) + `"`}},
		{"a text of any bytes, quoted", []string{"\x1b["}, []string{`"\x1b["`}},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			p, err := propagation.FromNames(tt.in...)
			if err == nil || p != nil {
				t.Fatalf("FromNames(%q) = %v, %v", tt.in, p, err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %s", err, want)
				}
			}
		})
	}
}

func TestNoneChangesNothing(t *testing.T) {
	p, err := propagation.FromNames("none")
	if err != nil {
		t.Fatal(err)
	}
	ctx, _ := span(trace.FlagsSampled)
	before := http1("Traceparent", "anything")
	p.Inject(ctx, before)
	if diff := cmp.Diff(http1("Traceparent", "anything"), before); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
}
