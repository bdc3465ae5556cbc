package e2e_test

import (
	"context"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/meshtrace/meshtrace/e2e/internal/jaegertest"
)

// chain returns the spans of a trace in an order in which each is the child of the one before,
// and the first that of parent. It fails unless there is exactly one such order.
func chain(t *testing.T, spans []jaegertest.Span, parent string) []jaegertest.Span {
	t.Helper()
	children := make(map[string][]jaegertest.Span)
	for _, s := range spans {
		children[s.ParentID] = append(children[s.ParentID], s)
	}
	var ordered []jaegertest.Span
	for next := children[parent]; len(next) > 0 && len(ordered) < len(spans); next = children[next[0].ID] {
		if len(next) > 1 {
			t.Fatalf("%q and %q have the same parent", next[0].Name, next[1].Name)
		}
		ordered = append(ordered, next[0])
	}
	if len(ordered) != len(spans) {
		t.Fatalf("the chain is broken after %d of %d spans: %v", len(ordered), len(spans), spans)
	}
	return ordered
}

// anonymous returns a chain without what differs from run to run, after a check that this is
// what it should be. IDs become places in the chain.
func anonymous(t *testing.T, chain []jaegertest.Span) []jaegertest.Span {
	t.Helper()
	const clockStep = time.Microsecond // of Jaeger's own model
	var result []jaegertest.Span
	for i, s := range chain {
		if s.End.Before(s.Start) {
			t.Errorf("%q ends before it starts", s.Name)
		}
		if i > 0 && s.Start.Before(chain[i-1].Start.Truncate(clockStep)) {
			t.Errorf("%q starts before its parent %q", s.Name, chain[i-1].Name)
		}
		s.TraceID, s.ID, s.Start, s.End = "", place(i), time.Time{}, time.Time{}
		if i > 0 {
			s.ParentID = place(i - 1)
		}
		s.Attrs = hide(t, s.Attrs, "network.peer.port")
		s.Attrs = hide(t, s.Attrs, "client.port")
		s.Attrs = hide(t, s.Attrs, "meshtrace.time_to_first_byte_ms")
		s.Resource = hide(t, s.Resource, "process.start_timestamp")
		result = append(result, s)
	}
	return result
}

func place(i int) string { return fmt.Sprintf("span %d", i) }

// hidden stands for a number that only its run knows.
const hidden = "some number"

// hide returns attrs with another value for key, if that is there and a positive number.
func hide(t *testing.T, attrs jaegertest.Attrs, key string) jaegertest.Attrs {
	t.Helper()
	value, ok := attrs[key]
	if !ok {
		return attrs
	}
	whole, _ := value.(int64)
	fraction, _ := value.(float64)
	if whole <= 0 && fraction <= 0 {
		t.Errorf("attribute %q is %v, want a positive number", key, value)
	}
	attrs = maps.Clone(attrs) // spans share their resource
	attrs[key] = hidden
	return attrs
}

// checkInterface checks that Jaeger's own interface shows the same chain: with nothing to warn
// of but a parent that is not there, and as errors what are errors.
func checkInterface(ctx context.Context, t *testing.T, query *jaegertest.Query, chain []jaegertest.Span) {
	t.Helper()
	shown, err := query.UITrace(ctx, chain[0].TraceID)
	if err != nil {
		t.Fatal(err)
	}
	if len(shown) != len(chain) {
		t.Errorf("the interface shows %d spans, want %d", len(shown), len(chain))
	}
	for i, s := range chain {
		ui := shown[s.ID]
		if ui.Operation != s.Name || ui.Service != s.Service() || ui.ParentID != s.ParentID || ui.Tags["span.kind"] != s.Kind.String() {
			t.Errorf("the interface shows %+v, want %+v", ui, s)
		}
		if failed := ui.Tags["error"] == true; failed != (s.Status.Code == "error") {
			t.Errorf("the interface shows %q as an error: %t, its status is %v", s.Name, failed, s.Status)
		}
		if orphan := i == 0 && s.ParentID != ""; len(ui.Warnings) > 0 && !orphan {
			t.Errorf("the interface warns of %q: %v", s.Name, ui.Warnings)
		}
	}
}
