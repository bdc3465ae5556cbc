package benchmarks_test

// What the tests want to know of a decoded span.

import (
	encodinghex "encoding/hex"
	"fmt"
	"strconv"
	"testing"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/meshtrace/meshtrace/benchmarks/internal/workload"
)

// named returns the workload with the name.
func named(t *testing.T, name string) workload.Workload {
	t.Helper()
	w, err := workload.Named(name)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// checkFamily checks the trace and the parent of s, that it has an ID of its own, and that it
// took time.
func checkFamily(t *testing.T, s *tracepb.Span, traceID, parent string) {
	t.Helper()
	if hex(s.TraceId) != traceID || hex(s.ParentSpanId) != parent {
		t.Fatalf("%s is a child of %x in trace %x, want %s in %s", s.Name, s.ParentSpanId, s.TraceId, parent, traceID)
	}
	if len(s.SpanId) != 8 || hex(s.SpanId) == parent || s.StartTimeUnixNano == 0 || s.EndTimeUnixNano < s.StartTimeUnixNano {
		t.Fatalf("%s has ID %x, and lasted from %d to %d", s.Name, s.SpanId, s.StartTimeUnixNano, s.EndTimeUnixNano)
	}
}

// checkAttributes checks that s has the attributes, and where want says which, their values.
func checkAttributes(t *testing.T, s *tracepb.Span, want map[string]string) {
	t.Helper()
	got := attributesOf(s)
	for key, value := range want {
		if g, ok := got[key]; !ok || value != "" && g != value {
			t.Fatalf("attribute %s = %q, want %q; all: %v", key, g, value, got)
		}
	}
}

// attributesOf returns the attributes of s by key, the values as text.
func attributesOf(s *tracepb.Span) map[string]string {
	all := make(map[string]string)
	for _, a := range s.Attributes {
		all[a.Key] = text(a.Value)
	}
	return all
}

// text writes a value. The generated String is free to change from build to build.
func text(v *commonpb.AnyValue) string {
	switch v := v.Value.(type) {
	case *commonpb.AnyValue_StringValue:
		return v.StringValue
	case *commonpb.AnyValue_IntValue:
		return strconv.FormatInt(v.IntValue, 10)
	default:
		return fmt.Sprintf("%T", v)
	}
}

func spanIDs(spans []*tracepb.Span) map[string]bool {
	ids := make(map[string]bool)
	for _, s := range spans {
		ids[hex(s.SpanId)] = true
	}
	return ids
}

// ofKind returns the spans of a kind. Nobody promises an order.
func ofKind(spans []*tracepb.Span, kind tracepb.Span_SpanKind) (some []*tracepb.Span) {
	for _, s := range spans {
		if s.Kind == kind {
			some = append(some, s)
		}
	}
	return some
}

func hex(id []byte) string { return encodinghex.EncodeToString(id) }
