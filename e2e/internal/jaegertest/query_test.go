package jaegertest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/e2e/internal/jaegertest"
)

// answering returns a client of a query service that answers as it is told.
func answering(t *testing.T, status int, body string) *jaegertest.Query {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(server.Close)
	return jaegertest.NewQuery(strings.TrimPrefix(server.URL, "http://"))
}

// fullTrace has everything in it that OTLP has a field for.
const fullTrace = `{"result":{"resourceSpans":[{
	"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"user-service"}}]},
	"scopeSpans":[{
		"scope":{"name":"lib","version":"1.2","attributes":[{"key":"s","value":{"boolValue":true}}]},
		"spans":[{
			"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"00f067aa0ba902b7","parentSpanId":"00f067aa0ba902b6",
			"traceState":"a=b","flags":769,"name":"GET /","kind":2,
			"startTimeUnixNano":"1767323045000006001","endTimeUnixNano":"1767323045000009002",
			"attributes":[
				{"key":"string","value":{"stringValue":""}},
				{"key":"int","value":{"intValue":"-9223372036854775808"}},
				{"key":"double","value":{"doubleValue":0.5}},
				{"key":"bool","value":{"boolValue":false}},
				{"key":"bytes","value":{"bytesValue":"AQI="}},
				{"key":"array","value":{"arrayValue":{"values":[{"stringValue":"x"},{"intValue":"1"}]}}},
				{"key":"map","value":{"kvlistValue":{"values":[{"key":"k","value":{"stringValue":"v"}}]}}},
				{"key":"empty","value":{}}
			],
			"droppedAttributesCount":1,
			"events":[{"timeUnixNano":"1767323045000007000","name":"e","attributes":[{"key":"k","value":{"stringValue":"v"}}],"droppedAttributesCount":2}],
			"droppedEventsCount":3,
			"links":[{"traceId":"4bf92f3577b34da6a3ce929d0e0e4737","spanId":"00f067aa0ba902b8","traceState":"c=d","flags":1,"attributes":[{"key":"k","value":{"stringValue":"v"}}],"droppedAttributesCount":4}],
			"droppedLinksCount":5,
			"status":{"message":"broken","code":2}
		}]
	}]
}]}}`

func TestTraceReadsEveryField(t *testing.T) {
	at := func(ns int) time.Time { return time.Date(2026, 1, 2, 3, 4, 5, ns, time.UTC) }
	kv := jaegertest.Attrs{"k": "v"}
	want := []jaegertest.Span{{
		TraceID:    "4bf92f3577b34da6a3ce929d0e0e4736",
		ID:         "00f067aa0ba902b7",
		ParentID:   "00f067aa0ba902b6",
		TraceState: "a=b",
		Flags:      0x301,
		Name:       "GET /",
		Kind:       trace.SpanKindServer,
		Start:      at(6_001),
		End:        at(9_002),
		Status:     jaegertest.Status{Code: "error", Message: "broken"},
		Attrs: jaegertest.Attrs{
			"string": "", "int": int64(-1 << 63), "double": 0.5, "bool": false, "bytes": []byte{1, 2},
			"array": []any{"x", int64(1)}, "map": kv, "empty": nil,
		},
		Events: []jaegertest.Event{{Name: "e", Time: at(7_000), Attrs: kv, DroppedAttrs: 2}},
		Links: []jaegertest.Link{{
			TraceID: "4bf92f3577b34da6a3ce929d0e0e4737", SpanID: "00f067aa0ba902b8",
			TraceState: "c=d", Flags: 1, Attrs: kv, DroppedAttrs: 4,
		}},
		DroppedAttrs:  1,
		DroppedEvents: 3,
		DroppedLinks:  5,
		Scope:         jaegertest.Scope{Name: "lib", Version: "1.2", Attrs: jaegertest.Attrs{"s": true}},
		Resource:      jaegertest.Attrs{"service.name": "user-service"},
	}}
	got, err := answering(t, http.StatusOK, fullTrace).Trace(t.Context(), "4bf92f3577b34da6a3ce929d0e0e4736")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Trace (-want +got):\n%s", diff)
	}
}

var refusedTests = []struct {
	rule   string
	status int
	body   string
}{
	{"a status that is neither found nor not found", http.StatusInternalServerError, "{}"},
	{"an answer that is not JSON", http.StatusOK, "<html>"},
	{"an attribute that is there twice", http.StatusOK, strings.Replace(fullTrace, `"key":"int"`, `"key":"bool"`, 1)},
	{"a time that is no number", http.StatusOK, strings.Replace(fullTrace, "1767323045000006001", "now", 1)},
	{"an integer that is no number", http.StatusOK, strings.Replace(fullTrace, "-9223372036854775808", "one", 1)},
}

func TestTraceRefuses(t *testing.T) {
	for _, tt := range refusedTests {
		t.Run(tt.rule, func(t *testing.T) {
			if spans, err := answering(t, tt.status, tt.body).Trace(t.Context(), "1"); err == nil {
				t.Errorf("Trace = %v, want an error", spans)
			}
		})
	}
}

func TestAwaitTraceSaysWhatWasMissing(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), impatience)
	defer cancel()
	_, err := answering(t, http.StatusOK, fullTrace).AwaitTrace(ctx, "4bf9", 2)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "trace 4bf9 has 1 spans, want 2") {
		t.Errorf("AwaitTrace: error %v, want one that counts", err)
	}
}
