package e2e_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/e2e/internal/jaegertest"
	"github.com/meshtrace/meshtrace/exporter"
	"github.com/meshtrace/meshtrace/span"
)

// protocols are those that the exporter speaks, with what is left of a span that comes over one.
var protocols = []struct {
	name     string
	endpoint func(jaegertest.Endpoints) string
	keeps    func(jaegertest.Span) jaegertest.Span
}{
	{"OTLP over HTTP", otlpEndpoint, func(s jaegertest.Span) jaegertest.Span { return s }},
	{"OTLP over gRPC", grpcEndpoint, func(s jaegertest.Span) jaegertest.Span { return s }},
	{"Thrift over HTTP", thriftEndpoint, throughThrift},
	{"Jaeger's model over gRPC", modelEndpoint, throughModel},
}

func otlpEndpoint(e jaegertest.Endpoints) string   { return "http://" + e.OTLPHTTP }
func grpcEndpoint(e jaegertest.Endpoints) string   { return "grpc://" + e.OTLPGRPC }
func thriftEndpoint(e jaegertest.Endpoints) string { return "jaeger+http://" + e.ThriftHTTP }
func modelEndpoint(e jaegertest.Endpoints) string  { return "jaeger+grpc://" + e.ModelGRPC }

// throughModel returns what Jaeger makes of a span that came in its own model, which has no place for
// flags, lists, and attributes of a link. Scope and trace state come as attributes, and Jaeger knows
// them.
//
// Spec: OpenTelemetry to Jaeger Transformation, https://opentelemetry.io/docs/specs/otel/trace/sdk_exporters/jaeger/
func throughModel(s jaegertest.Span) jaegertest.Span {
	attrs := jaegertest.Attrs{}
	for key, value := range s.Attrs {
		attrs[key] = value
		switch list := value.(type) {
		case []any:
			text, err := json.Marshal(list)
			if err != nil {
				panic(err)
			}
			attrs[key] = string(text)
		}
	}
	var links []jaegertest.Link
	for _, l := range s.Links {
		l.TraceState, l.Flags, l.Attrs = "", 0, jaegertest.Attrs{"opentracing.ref_type": "follows_from"}
		links = append(links, l)
	}
	s.Attrs, s.Flags, s.Links = attrs, 0, links
	return s
}

// throughThrift returns what Jaeger makes of a span that came in its model as Thrift. It leaves scope
// and trace state among the attributes, and counts in microseconds.
func throughThrift(s jaegertest.Span) jaegertest.Span {
	s = throughModel(s)
	add := func(key, value string) {
		if value != "" {
			s.Attrs[key] = value
		}
	}
	add("otel.scope.name", s.Scope.Name)
	add("otel.scope.version", s.Scope.Version)
	add("w3c.tracestate", s.TraceState)

	s.Scope, s.TraceState = jaegertest.Scope{}, ""
	s.Start, s.End = s.Start.Truncate(time.Microsecond), s.End.Truncate(time.Microsecond)
	var events []jaegertest.Event
	for _, e := range s.Events {
		e.Time = e.Time.Truncate(time.Microsecond)
		events = append(events, e)
	}
	s.Events = events
	return s
}

// A span with everything in it arrives with everything that the protocol has a place for.
func TestFields(t *testing.T) {
	for _, tt := range protocols {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server, ctx := startJaeger(t), deadline(t)
			want := tt.keeps(recordEverything(t, ctx, tt.endpoint(server.Endpoints)))
			got, err := server.Query().Trace(ctx, want.TraceID)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]jaegertest.Span{want}, got); diff != "" {
				t.Errorf("trace (-want +got):\n%s", diff)
			}
		})
	}
}

// recordEverything records a span that has everything, delivers it to endpoint, and returns it in
// Jaeger's words.
func recordEverything(t *testing.T, ctx context.Context, endpoint string) jaegertest.Span {
	t.Helper()
	destination, err := exporter.New(exporter.Config{Endpoint: endpoint})
	if err != nil {
		t.Fatal(err)
	}
	provider, err := span.NewProvider(span.Config{
		Exporter: destination,
		Resource: resource.NewSchemaless(attribute.String("service.name", "user-service"), attribute.Int("process.pid", 7)),
	})
	if err != nil {
		t.Fatal(err)
	}
	at := func(ns int) time.Time { return time.Date(2026, 1, 2, 3, 4, 5, ns, time.UTC) }
	state, err := trace.ParseTraceState("vendor=value")
	if err != nil {
		t.Fatal(err)
	}
	caller := trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID(id(sent[0].TraceID)), SpanID: trace.SpanID(id(sent[0].ID)),
		TraceFlags: trace.FlagsSampled, TraceState: state, Remote: true,
	})
	other := caller.WithTraceID(trace.TraceID{1}).WithSpanID(trace.SpanID{2}).WithRemote(false)

	tracer := provider.Tracer("scope", trace.WithInstrumentationVersion("1.2.3"))
	_, s := tracer.Start(trace.ContextWithRemoteSpanContext(ctx, caller), "everything",
		trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithTimestamp(at(1_001)),
		trace.WithLinks(trace.Link{SpanContext: other, Attributes: []attribute.KeyValue{attribute.String("why", "linked")}}))
	s.SetAttributes(
		attribute.String("string", "grüße ✓"),
		attribute.String("empty", ""),
		attribute.Int64("int", -1<<63),
		attribute.Float64("float", 0.25),
		attribute.Bool("bool", false),
		attribute.StringSlice("strings", []string{"a", "b"}),
		attribute.Int64Slice("ints", []int64{1, 2}))
	s.AddEvent("event", trace.WithTimestamp(at(2_002)), trace.WithAttributes(attribute.Int("n", 1)))
	s.SetStatus(codes.Error, "it broke")
	s.End(trace.WithTimestamp(at(3_003)))
	if err := provider.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}

	const local, remote = 0x100, 0x300 // OTLP's flags beyond W3C's byte: what is known of the parent
	return jaegertest.Span{
		TraceID:    sent[0].TraceID,
		ID:         s.SpanContext().SpanID().String(),
		ParentID:   sent[0].ID,
		TraceState: "vendor=value",
		Flags:      remote | uint32(trace.FlagsSampled),
		Name:       "everything",
		Kind:       trace.SpanKindConsumer,
		Start:      at(1_001),
		End:        at(3_003),
		Status:     jaegertest.Status{Code: "error", Message: "it broke"},
		Attrs: jaegertest.Attrs{
			"string": "grüße ✓", "empty": "", "int": int64(-1 << 63), "float": 0.25, "bool": false,
			"strings": []any{"a", "b"}, "ints": []any{int64(1), int64(2)},
		},
		Events: []jaegertest.Event{{Name: "event", Time: at(2_002), Attrs: jaegertest.Attrs{"n": int64(1)}}},
		Links: []jaegertest.Link{{
			TraceID: other.TraceID().String(), SpanID: other.SpanID().String(), TraceState: "vendor=value",
			Flags: local | uint32(trace.FlagsSampled), Attrs: jaegertest.Attrs{"why": "linked"},
		}},
		Scope:    jaegertest.Scope{Name: "scope", Version: "1.2.3"},
		Resource: jaegertest.Attrs{"service.name": "user-service", "process.pid": int64(7)},
	}
}
