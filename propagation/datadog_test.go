package propagation_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/meshtrace/meshtrace/propagation"
	otelpropagation "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

const (
	ddTrace = "11803532876627986230" // the lower half of tid
	ddSpan  = "67667974448284343"    // sid
	ddTID   = "_dd.p.tid=4bf92f3577b34da6"
)

var datadogTests = []struct {
	rule     string // in the words of Datadog's documentation
	in       propagation.DatadogHeaders
	want     string // as AppendTraceparent writes it
	decision propagation.Decision
	err      error
}{
	{"auto keep", propagation.DatadogHeaders{ddTrace, ddSpan, "1", ddTID}, traceparent, propagation.NoDecision, nil},
	{"user keep", propagation.DatadogHeaders{ddTrace, ddSpan, "2", ddTID}, traceparent, propagation.NoDecision, nil},
	{"auto reject", propagation.DatadogHeaders{ddTrace, ddSpan, "0", ddTID}, "00-" + tid + "-" + sid + "-00", propagation.NoDecision, nil},
	{"user reject", propagation.DatadogHeaders{ddTrace, ddSpan, "-1", ddTID}, "00-" + tid + "-" + sid + "-00", propagation.NoDecision, nil},
	{"no priority", propagation.DatadogHeaders{ddTrace, ddSpan, "", ddTID}, "00-" + tid + "-" + sid + "-00", propagation.Deferred, nil},
	{"64-bit trace ID", propagation.DatadogHeaders{ddTrace, ddSpan, "1", ""}, "00-" + padto + "-" + sid + "-01", propagation.NoDecision, nil},
	{"the tag among others", propagation.DatadogHeaders{ddTrace, ddSpan, "1", "_dd.p.dm=-4," + ddTID + ",a=b"}, traceparent, propagation.NoDecision, nil},
	{"a malformed tag is ignored", propagation.DatadogHeaders{ddTrace, ddSpan, "1", ddTID + "0"}, "00-" + padto + "-" + sid + "-01", propagation.NoDecision, nil},
	{"a tag of upper case is malformed", propagation.DatadogHeaders{ddTrace, ddSpan, "1", strings.ToUpper(ddTID)}, "00-" + padto + "-" + sid + "-01", propagation.NoDecision, nil},
	{"tags longer than 512 are ignored", propagation.DatadogHeaders{ddTrace, ddSpan, "1", ddTID + "," + strings.Repeat("x", 512)}, "00-" + padto + "-" + sid + "-01", propagation.NoDecision, nil},
	{"the largest number", propagation.DatadogHeaders{"18446744073709551615", "1", "1", ""}, "00-0000000000000000ffffffffffffffff-0000000000000001-01", propagation.NoDecision, nil},

	{"a larger number", propagation.DatadogHeaders{"18446744073709551616", ddSpan, "1", ""}, "", propagation.NoDecision, propagation.ErrSyntax},
	{"a longer number", propagation.DatadogHeaders{"000000000000000000001", ddSpan, "1", ""}, "", propagation.NoDecision, propagation.ErrSyntax},
	{"not decimal", propagation.DatadogHeaders{ddTrace, sid + "f", "1", ""}, "", propagation.NoDecision, propagation.ErrSyntax},
	{"negative", propagation.DatadogHeaders{"-1", ddSpan, "1", ""}, "", propagation.NoDecision, propagation.ErrSyntax},
	{"trace ID is zero", propagation.DatadogHeaders{"0", ddSpan, "1", ddTID}, "", propagation.NoDecision, propagation.ErrZeroID},
	{"parent ID is zero", propagation.DatadogHeaders{ddTrace, "0", "1", ddTID}, "", propagation.NoDecision, propagation.ErrZeroID},
	{"no trace ID", propagation.DatadogHeaders{"", ddSpan, "1", ddTID}, "", propagation.NoDecision, propagation.ErrMissing},
	{"no parent ID", propagation.DatadogHeaders{ddTrace, "", "1", ddTID}, "", propagation.NoDecision, propagation.ErrMissing},
	{"priority is no number", propagation.DatadogHeaders{ddTrace, ddSpan, "keep", ddTID}, "", propagation.NoDecision, propagation.ErrSampling},
	{"priority is a sign", propagation.DatadogHeaders{ddTrace, ddSpan, "-", ddTID}, "", propagation.NoDecision, propagation.ErrSampling},
}

func TestParseDatadog(t *testing.T) {
	for _, tt := range datadogTests {
		t.Run(tt.rule, func(t *testing.T) {
			sc, decision, err := propagation.ParseDatadog(tt.in)
			if decision != tt.decision || err != tt.err {
				t.Fatalf("ParseDatadog(%+v): decision %d, error %v; want %d, %v", tt.in, decision, err, tt.decision, tt.err)
			}
			if got := string(propagation.AppendTraceparent(nil, sc)); err == nil && (got != tt.want || !sc.IsRemote()) {
				t.Errorf("ParseDatadog(%+v) = %q, remote %t; want %q", tt.in, got, sc.IsRemote(), tt.want)
			}
		})
	}
}

func TestDatadogInject(t *testing.T) {
	sampled, _ := span(trace.FlagsSampled)
	rejected, _ := span(0)
	short := trace.ContextWithSpanContext(context.Background(), spanContext(padto, sid, trace.FlagsSampled))
	unwritable := trace.ContextWithSpanContext(context.Background(), spanContext(tid[:16]+zero, sid, trace.FlagsSampled))
	deferred := propagation.Datadog{}.Extract(context.Background(), otelpropagation.MapCarrier{"x-datadog-trace-id": "7", "x-datadog-parent-id": "8"})
	for _, tt := range []struct {
		rule string
		ctx  context.Context
		want http.Header
	}{
		{"auto keep", sampled, datadog(ddTrace, ddSpan, "1", ddTID)},
		{"auto reject", rejected, datadog(ddTrace, ddSpan, "0", ddTID)},
		{"64-bit trace ID has no tag", short, datadog(ddTrace, ddSpan, "1", "")},
		{"a deferred decision stays one", deferred, datadog("7", "8", "", "")},
		{"a trace ID whose lower half is zero", unwritable, http.Header{}},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			stale := datadog("1", "2", "1", "_dd.p.tid=ffffffffffffffff")
			stale.Set("x-datadog-origin", "synthetics")
			if diff := cmp.Diff(tt.want, injected(tt.ctx, propagation.Datadog{}, stale)); diff != "" {
				t.Errorf("headers (-want +got):\n%s", diff)
			}
		})
	}
}

func datadog(traceID, parentID, priority, tags string) http.Header {
	h := http.Header{}
	for key, value := range map[string]string{
		"x-datadog-trace-id": traceID, "x-datadog-parent-id": parentID,
		"x-datadog-sampling-priority": priority, "x-datadog-tags": tags,
	} {
		if value != "" {
			h.Set(key, value)
		}
	}
	return h
}
