package exporter_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/meshtrace/meshtrace/exporter"
	"github.com/meshtrace/meshtrace/exporter/exportertest"
	"github.com/meshtrace/meshtrace/internal/sdkseam"
)

func TestOTLPDeliversWhatSpansSay(t *testing.T) {
	for _, compression := range []exporter.Compression{exporter.NoCompression, exporter.Gzip} {
		t.Run(string(compression), func(t *testing.T) {
			exportertest.Run(t, func(t *testing.T) (sdktrace.SpanExporter, exportertest.Received) {
				var c collector
				return c.start(t, exporter.Config{Compression: compression}), c.received
			})
		})
	}
}

func TestOTLPSaysEverything(t *testing.T) {
	for rule, r := range records(t) {
		t.Run(rule, func(t *testing.T) { checkOTLP(t, r) })
	}
}

// A message's length stands before it, and takes a byte more at each power of 128.
func TestOTLPMessagesOfAnyLength(t *testing.T) {
	for _, around := range []int{1 << 7, 1 << 14, 1 << 21} {
		for n := around - 70; n <= around; n++ {
			r := newRecord(1)
			r.Attrs = []attribute.KeyValue{attribute.String("k", strings.Repeat("x", n))}
			checkOTLP(t, r, newRecord(2))
			if t.Failed() {
				t.Fatalf("at %d bytes", n)
			}
			if around == 1<<21 {
				n += 9 // they are long
			}
		}
	}
}

func FuzzOTLP(f *testing.F) {
	for _, seed := range seeds() {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) { checkOTLP(t, (&dice{data}).records()...) })
}

// checkOTLP encodes spans, decodes them as OpenTelemetry does, and compares with the messages that
// should come of them.
func checkOTLP(t *testing.T, records ...*sdkseam.Record) {
	t.Helper()
	var got coltrace.ExportTraceServiceRequest
	if err := proto.Unmarshal(exporter.EncodeOTLP(records...), &got); err != nil {
		t.Fatal(err)
	}
	want := wantRequest(records)
	if !proto.Equal(&got, want) { // quick, but says nothing
		t.Errorf("got - and want +:\n%s", cmp.Diff(&got, want, protocmp.Transform()))
	}
}

func wantRequest(records []*sdkseam.Record) *coltrace.ExportTraceServiceRequest {
	res := records[0].Origin.Resource
	var scopes []*tracepb.ScopeSpans
	var origins []*sdkseam.Origin
	for _, r := range records {
		i := 0
		for i < len(origins) && origins[i] != r.Origin {
			i++
		}
		if i == len(origins) {
			origins = append(origins, r.Origin)
			s := r.Origin.Scope
			scopes = append(scopes, &tracepb.ScopeSpans{
				Scope:     &commonpb.InstrumentationScope{Name: valid(s.Name), Version: valid(s.Version), Attributes: wantAttrs(s.Attributes.ToSlice())},
				SchemaUrl: valid(s.SchemaURL),
			})
		}
		scopes[i].Spans = append(scopes[i].Spans, wantSpan(r))
	}
	return &coltrace.ExportTraceServiceRequest{ResourceSpans: []*tracepb.ResourceSpans{{
		Resource:   &resourcepb.Resource{Attributes: wantAttrs(res.Attributes())},
		SchemaUrl:  valid(res.SchemaURL()),
		ScopeSpans: scopes,
	}}}
}

func wantSpan(r *sdkseam.Record) *tracepb.Span {
	traceID, spanID, parentID := r.SpanContext.TraceID(), r.SpanContext.SpanID(), r.Parent.SpanID()
	s := &tracepb.Span{
		TraceId: traceID[:], SpanId: spanID[:], TraceState: r.SpanContext.TraceState().String(),
		Name: valid(r.Name), Kind: tracepb.Span_SpanKind(r.Kind),
		StartTimeUnixNano: wantTime(r.Start), EndTimeUnixNano: wantTime(r.End),
		Attributes:             wantAttrs(r.Attrs),
		DroppedAttributesCount: wantCount(r.DroppedAttrs), DroppedEventsCount: wantCount(r.DroppedEvents), DroppedLinksCount: wantCount(r.DroppedLinks),
		Flags: wantFlags(r.SpanContext, r.Parent),
	}
	if parentID.IsValid() {
		s.ParentSpanId = parentID[:]
	}
	if r.Kind > trace.SpanKindConsumer {
		s.Kind = tracepb.Span_SPAN_KIND_UNSPECIFIED
	}
	switch r.Status.Code {
	case codes.Ok:
		s.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_OK, Message: valid(r.Status.Description)}
	case codes.Error:
		s.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR, Message: valid(r.Status.Description)}
	}
	for _, e := range r.Events {
		s.Events = append(s.Events, &tracepb.Span_Event{
			Name: valid(e.Name), TimeUnixNano: wantTime(e.Time),
			Attributes: wantAttrs(e.Attributes), DroppedAttributesCount: wantCount(e.DroppedAttributeCount),
		})
	}
	for _, l := range r.Links {
		traceID, spanID := l.SpanContext.TraceID(), l.SpanContext.SpanID()
		s.Links = append(s.Links, &tracepb.Span_Link{
			TraceId: traceID[:], SpanId: spanID[:], TraceState: l.SpanContext.TraceState().String(),
			Attributes: wantAttrs(l.Attributes), DroppedAttributesCount: wantCount(l.DroppedAttributeCount),
			Flags: wantFlags(l.SpanContext, l.SpanContext),
		})
	}
	return s
}

// valid returns s as protobuf takes it.
func valid(s string) string { return strings.ToValidUTF8(s, "\ufffd") }

func wantTime(t time.Time) uint64 {
	if t.Unix() < 0 {
		return 0
	}
	return uint64(t.Unix())*1e9 + uint64(t.Nanosecond())
}

func wantCount(n int) uint32 { return uint32(min(max(n, 0), math.MaxUint32)) }

func wantFlags(sc, other trace.SpanContext) uint32 {
	flags := uint32(sc.TraceFlags()) | uint32(tracepb.SpanFlags_SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK)
	if other.IsRemote() {
		flags |= uint32(tracepb.SpanFlags_SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK)
	}
	return flags
}

func wantAttrs(attrs []attribute.KeyValue) (all []*commonpb.KeyValue) {
	for _, kv := range attrs {
		all = append(all, &commonpb.KeyValue{Key: valid(string(kv.Key)), Value: wantValue(kv.Value)})
	}
	return all
}

func wantValue(v attribute.Value) *commonpb.AnyValue {
	array := func(n int, element func(int) attribute.Value) *commonpb.AnyValue {
		list := new(commonpb.ArrayValue)
		for i := range n {
			list.Values = append(list.Values, wantValue(element(i)))
		}
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_ArrayValue{ArrayValue: list}}
	}
	switch v.Type() {
	case attribute.BOOL:
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_BoolValue{BoolValue: v.AsBool()}}
	case attribute.INT64:
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: v.AsInt64()}}
	case attribute.FLOAT64:
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_DoubleValue{DoubleValue: v.AsFloat64()}}
	case attribute.STRING:
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: valid(v.AsString())}}
	case attribute.BYTESLICE:
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_BytesValue{BytesValue: v.AsByteSlice()}}
	case attribute.BOOLSLICE:
		s := v.AsBoolSlice()
		return array(len(s), func(i int) attribute.Value { return attribute.BoolValue(s[i]) })
	case attribute.INT64SLICE:
		s := v.AsInt64Slice()
		return array(len(s), func(i int) attribute.Value { return attribute.Int64Value(s[i]) })
	case attribute.FLOAT64SLICE:
		s := v.AsFloat64Slice()
		return array(len(s), func(i int) attribute.Value { return attribute.Float64Value(s[i]) })
	case attribute.STRINGSLICE:
		s := v.AsStringSlice()
		return array(len(s), func(i int) attribute.Value { return attribute.StringValue(s[i]) })
	case attribute.SLICE:
		s := v.AsSlice()
		return array(len(s), func(i int) attribute.Value { return s[i] })
	case attribute.MAP:
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_KvlistValue{KvlistValue: &commonpb.KeyValueList{Values: wantAttrs(v.AsMap())}}}
	}
	return new(commonpb.AnyValue)
}

// decodeOTLP returns the spans of a request as OpenTelemetry's own types have them, or none if it
// is malformed.
func decodeOTLP(body []byte) tracetest.SpanStubs {
	var req coltrace.ExportTraceServiceRequest
	if proto.Unmarshal(body, &req) != nil {
		return nil
	}
	return stubsOf(&req)
}

func stubsOf(req *coltrace.ExportTraceServiceRequest) (spans tracetest.SpanStubs) {
	for _, rs := range req.ResourceSpans {
		for _, ss := range rs.ScopeSpans {
			for _, s := range ss.Spans {
				stub := stubOf(s)
				stub.Resource = resource.NewSchemaless(attrsOf(rs.Resource.GetAttributes())...)
				stub.InstrumentationScope = instrumentation.Scope{Name: ss.Scope.GetName(), Version: ss.Scope.GetVersion()}
				spans = append(spans, stub)
			}
		}
	}
	return spans
}

func stubOf(s *tracepb.Span) tracetest.SpanStub {
	stub := tracetest.SpanStub{
		Name:        s.Name,
		SpanContext: spanContextOf(s.TraceId, s.SpanId),
		Parent:      spanContextOf(s.TraceId, s.ParentSpanId),
		SpanKind:    trace.SpanKind(s.Kind),
		StartTime:   time.Unix(0, int64(s.StartTimeUnixNano)),
		EndTime:     time.Unix(0, int64(s.EndTimeUnixNano)),
		Attributes:  attrsOf(s.Attributes),
		Status:      sdktrace.Status{Description: s.Status.GetMessage()},
	}
	switch s.Status.GetCode() {
	case tracepb.Status_STATUS_CODE_OK:
		stub.Status.Code = codes.Ok
	case tracepb.Status_STATUS_CODE_ERROR:
		stub.Status.Code = codes.Error
	}
	for _, e := range s.Events {
		stub.Events = append(stub.Events, sdktrace.Event{Name: e.Name, Time: time.Unix(0, int64(e.TimeUnixNano)), Attributes: attrsOf(e.Attributes)})
	}
	for _, l := range s.Links {
		stub.Links = append(stub.Links, sdktrace.Link{SpanContext: spanContextOf(l.TraceId, l.SpanId), Attributes: attrsOf(l.Attributes)})
	}
	return stub
}

func spanContextOf(traceID, spanID []byte) trace.SpanContext {
	var c trace.SpanContextConfig
	copy(c.TraceID[:], traceID)
	copy(c.SpanID[:], spanID)
	return trace.NewSpanContext(c)
}

// attrsOf returns scalar attributes as they are, and others as text.
func attrsOf(attrs []*commonpb.KeyValue) (all []attribute.KeyValue) {
	for _, kv := range attrs {
		key := attribute.Key(kv.Key)
		switch v := kv.Value.GetValue().(type) {
		case *commonpb.AnyValue_BoolValue:
			all = append(all, key.Bool(v.BoolValue))
		case *commonpb.AnyValue_IntValue:
			all = append(all, key.Int64(v.IntValue))
		case *commonpb.AnyValue_DoubleValue:
			all = append(all, key.Float64(v.DoubleValue))
		case *commonpb.AnyValue_StringValue:
			all = append(all, key.String(v.StringValue))
		default:
			all = append(all, key.String(kv.Value.String()))
		}
	}
	return all
}
