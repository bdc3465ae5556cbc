package exporter_test

import (
	"context"
	"encoding/binary"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/google/go-cmp/cmp"
	"github.com/jaegertracing/jaeger-idl/thrift-gen/jaeger"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/exporter"
	"github.com/meshtrace/meshtrace/exporter/exportertest"
	"github.com/meshtrace/meshtrace/internal/sdkseam"
)

func TestJaegerDeliversWhatSpansSay(t *testing.T) {
	exportertest.Run(t, func(t *testing.T) (sdktrace.SpanExporter, exportertest.Received) {
		var c collector
		return c.start(t, exporter.Config{Endpoint: "jaeger+http://127.0.0.1"}), c.received
	})
}

func TestJaegerSaysEverything(t *testing.T) {
	for rule, r := range records(t) {
		t.Run(rule, func(t *testing.T) { checkJaeger(t, r) })
	}
}

func FuzzJaeger(f *testing.F) {
	for _, seed := range seeds() {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) { checkJaeger(t, (&dice{data}).records()...) })
}

// checkJaeger encodes spans, decodes them as Jaeger does, and compares with the structs that should
// come of them.
func checkJaeger(t *testing.T, records ...*sdkseam.Record) {
	t.Helper()
	got, err := readBatch(exporter.EncodeJaegerThrift(records...))
	if err != nil {
		t.Fatal(err)
	}
	want := &jaeger.Batch{Process: wantProcess(records[0].Origin.Resource)}
	for _, r := range records {
		want.Spans = append(want.Spans, wantJaegerSpan(r))
	}
	if reflect.DeepEqual(got, want) { // quick, but finds that NaN is not NaN
		return
	}
	sameBits := cmp.Comparer(func(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) })
	if diff := cmp.Diff(got, want, sameBits); diff != "" {
		t.Errorf("got - and want +:\n%s", diff)
	}
}

func readBatch(body []byte) (*jaeger.Batch, error) {
	in := thrift.NewTMemoryBufferLen(len(body))
	if _, err := in.Write(body); err != nil {
		return nil, err
	}
	batch := jaeger.NewBatch()
	return batch, batch.Read(context.Background(), thrift.NewTBinaryProtocolConf(in, nil))
}

func wantProcess(r *resource.Resource) *jaeger.Process {
	p := &jaeger.Process{ServiceName: "unknown_service", Tags: []*jaeger.Tag{}}
	for _, kv := range r.Attributes() {
		switch {
		case kv.Key != "service.name":
			p.Tags = append(p.Tags, wantTag(kv))
		case kv.Value.String() != "":
			p.ServiceName = valid(kv.Value.String())
		}
	}
	return p
}

func wantJaegerSpan(r *sdkseam.Record) *jaeger.Span {
	traceID, spanID, parentID := r.SpanContext.TraceID(), r.SpanContext.SpanID(), r.Parent.SpanID()
	s := &jaeger.Span{
		TraceIdHigh: int64(binary.BigEndian.Uint64(traceID[:8])), TraceIdLow: int64(binary.BigEndian.Uint64(traceID[8:])),
		SpanId: int64(binary.BigEndian.Uint64(spanID[:])), ParentSpanId: int64(binary.BigEndian.Uint64(parentID[:])),
		OperationName: valid(r.Name),
		Flags:         1,
		StartTime:     max(r.Start.UnixMicro(), 0),
		Duration:      max(int64(r.End.Sub(r.Start)/time.Microsecond), 0),
		Tags:          wantTags(r.Attrs),
	}
	s.Tags = append(s.Tags, wantTags(wantSpanTags(r))...)
	for _, l := range r.Links {
		traceID, spanID := l.SpanContext.TraceID(), l.SpanContext.SpanID()
		s.References = append(s.References, &jaeger.SpanRef{
			RefType:     jaeger.SpanRefType_FOLLOWS_FROM,
			TraceIdHigh: int64(binary.BigEndian.Uint64(traceID[:8])), TraceIdLow: int64(binary.BigEndian.Uint64(traceID[8:])),
			SpanId: int64(binary.BigEndian.Uint64(spanID[:])),
		})
	}
	for _, e := range r.Events {
		s.Logs = append(s.Logs, &jaeger.Log{Timestamp: max(e.Time.UnixMicro(), 0), Fields: wantTags(wantEventTags(e))})
	}
	return s
}

// wantEventTags returns what an event says.
func wantEventTags(e sdktrace.Event) []attribute.KeyValue {
	tags := e.Attributes[:len(e.Attributes):len(e.Attributes)]
	named := false
	for _, kv := range tags {
		named = named || kv.Key == "event"
	}
	if !named {
		tags = append(tags, attribute.String("event", e.Name))
	}
	if e.DroppedAttributeCount > 0 {
		tags = append(tags, attribute.Int("otel.event.dropped_attributes_count", e.DroppedAttributeCount))
	}
	return tags
}

// wantSpanTags returns what Jaeger has no field for.
func wantSpanTags(r *sdkseam.Record) (tags []attribute.KeyValue) {
	add := func(key, value string) {
		if value != "" {
			tags = append(tags, attribute.String(key, value))
		}
	}
	kinds := map[trace.SpanKind]string{2: "server", 3: "client", 4: "producer", 5: "consumer"}
	add("span.kind", kinds[r.Kind])
	add("otel.scope.name", r.Origin.Scope.Name)
	add("otel.scope.version", r.Origin.Scope.Version)
	add("w3c.tracestate", r.SpanContext.TraceState().String())
	switch r.Status.Code {
	case codes.Ok:
		add("otel.status_code", "OK")
	case codes.Error:
		add("otel.status_code", "ERROR")
		add("otel.status_description", r.Status.Description)
		tags = append(tags, attribute.Bool("error", true))
	}
	for _, dropped := range []attribute.KeyValue{
		attribute.Int("otel.dropped_attributes_count", r.DroppedAttrs),
		attribute.Int("otel.dropped_events_count", r.DroppedEvents),
		attribute.Int("otel.dropped_links_count", r.DroppedLinks),
	} {
		if dropped.Value.AsInt64() > 0 {
			tags = append(tags, dropped)
		}
	}
	return tags
}

func wantTags(attrs []attribute.KeyValue) []*jaeger.Tag {
	tags := []*jaeger.Tag{}
	for _, kv := range attrs {
		tags = append(tags, wantTag(kv))
	}
	return tags
}

func wantTag(kv attribute.KeyValue) *jaeger.Tag {
	tag := &jaeger.Tag{Key: valid(string(kv.Key))}
	switch kv.Value.Type() {
	case attribute.BOOL:
		tag.VType, tag.VBool = jaeger.TagType_BOOL, new(kv.Value.AsBool())
	case attribute.INT64:
		tag.VType, tag.VLong = jaeger.TagType_LONG, new(kv.Value.AsInt64())
	case attribute.FLOAT64:
		tag.VType, tag.VDouble = jaeger.TagType_DOUBLE, new(kv.Value.AsFloat64())
	case attribute.BYTESLICE:
		tag.VType, tag.VBinary = jaeger.TagType_BINARY, append([]byte{}, kv.Value.AsByteSlice()...)
	default: // lists and maps as JSON
		tag.VType, tag.VStr = jaeger.TagType_STRING, new(valid(kv.Value.String()))
	}
	return tag
}

// decodeJaeger returns the spans of a batch as OpenTelemetry's own types have them, or none if it
// is malformed.
func decodeJaeger(body []byte) (spans tracetest.SpanStubs) {
	batch, err := readBatch(body)
	if err != nil {
		return nil
	}
	res := resource.NewSchemaless(attribute.String("service.name", batch.Process.ServiceName))
	for _, s := range batch.Spans {
		stub := tracetest.SpanStub{
			Name:        s.OperationName,
			SpanContext: jaegerContext(s.TraceIdHigh, s.TraceIdLow, s.SpanId),
			Parent:      jaegerContext(s.TraceIdHigh, s.TraceIdLow, s.ParentSpanId),
			SpanKind:    trace.SpanKindInternal,
			StartTime:   time.UnixMicro(s.StartTime),
			EndTime:     time.UnixMicro(s.StartTime + s.Duration),
			Resource:    res,
		}
		for _, tag := range s.Tags {
			stubTag(&stub, attrOf(tag))
		}
		for _, l := range s.Logs {
			stub.Events = append(stub.Events, jaegerEvent(l))
		}
		for _, r := range s.References {
			stub.Links = append(stub.Links, sdktrace.Link{SpanContext: jaegerContext(r.TraceIdHigh, r.TraceIdLow, r.SpanId)})
		}
		spans = append(spans, stub)
	}
	return spans
}

func jaegerContext(high, low, span int64) trace.SpanContext {
	var traceID [16]byte
	var spanID [8]byte
	binary.BigEndian.PutUint64(traceID[:8], uint64(high))
	binary.BigEndian.PutUint64(traceID[8:], uint64(low))
	binary.BigEndian.PutUint64(spanID[:], uint64(span))
	return spanContextOf(traceID[:], spanID[:])
}

// stubTag puts a tag where OpenTelemetry has a place for it.
func stubTag(stub *tracetest.SpanStub, tag attribute.KeyValue) {
	switch text := tag.Value.AsString(); tag.Key {
	case "span.kind":
		for kind := trace.SpanKindServer; kind <= trace.SpanKindConsumer; kind++ {
			if kind.String() == text {
				stub.SpanKind = kind
			}
		}
	case "otel.scope.name":
		stub.InstrumentationScope.Name = text
	case "otel.scope.version":
		stub.InstrumentationScope.Version = text
	case "otel.status_code":
		stub.Status.Code = map[string]codes.Code{"OK": codes.Ok, "ERROR": codes.Error}[text]
	case "otel.status_description":
		stub.Status.Description = text
	default:
		stub.Attributes = append(stub.Attributes, tag)
	}
}

func jaegerEvent(l *jaeger.Log) sdktrace.Event {
	e := sdktrace.Event{Time: time.UnixMicro(l.Timestamp)}
	for _, tag := range l.Fields {
		eventTag(&e, attrOf(tag))
	}
	return e
}

func eventTag(e *sdktrace.Event, tag attribute.KeyValue) {
	if tag.Key == "event" {
		e.Name = tag.Value.AsString()
	} else {
		e.Attributes = append(e.Attributes, tag)
	}
}

func attrOf(tag *jaeger.Tag) attribute.KeyValue {
	key := attribute.Key(tag.Key)
	switch tag.VType {
	case jaeger.TagType_BOOL:
		return key.Bool(tag.GetVBool())
	case jaeger.TagType_LONG:
		return key.Int64(tag.GetVLong())
	case jaeger.TagType_DOUBLE:
		return key.Float64(tag.GetVDouble())
	case jaeger.TagType_BINARY:
		return key.ByteSlice(tag.VBinary)
	}
	return key.String(tag.GetVStr())
}
