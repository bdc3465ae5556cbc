package exporter_test

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jaegertracing/jaeger-idl/model/v1"
	"github.com/jaegertracing/jaeger-idl/proto-gen/api_v2"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/exporter"
	"github.com/meshtrace/meshtrace/internal/sdkseam"
)

func TestJaegerProtoSaysEverything(t *testing.T) {
	for rule, r := range records(t) {
		t.Run(rule, func(t *testing.T) { checkJaegerProto(t, r) })
	}
}

// What is after the year 9999 would make the receiver refuse the whole batch.
func TestJaegerProtoTimeThatIsTooLate(t *testing.T) {
	r := newRecord(1)
	r.Start, r.End = time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(292_000, 1, 1, 0, 0, 0, 0, time.UTC)
	checkJaegerProto(t, r)
}

// A tag's length stands before it, and so does a span's; both take a byte more at each power of 128.
func TestJaegerProtoMessagesOfAnyLength(t *testing.T) {
	for _, around := range []int{1 << 7, 1 << 14} {
		for n := around - 140; n <= around+10; n++ {
			r := newRecord(1)
			r.Attrs = []attribute.KeyValue{attribute.String("k", strings.Repeat("x", max(n, 0)))}
			checkJaegerProto(t, r, newRecord(2))
			if t.Failed() {
				t.Fatalf("at %d bytes", n)
			}
		}
	}
}

func FuzzJaegerProto(f *testing.F) {
	for _, seed := range seeds() {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) { checkJaegerProto(t, (&dice{data}).records()...) })
}

// checkJaegerProto encodes spans, decodes them as Jaeger does, and compares with the messages that
// should come of them.
func checkJaegerProto(t *testing.T, records ...*sdkseam.Record) {
	t.Helper()
	var got api_v2.PostSpansRequest
	if err := got.Unmarshal(exporter.EncodeJaegerProto(records...)); err != nil {
		t.Fatal(err)
	}
	want := api_v2.PostSpansRequest{Batch: model.Batch{Process: modelProcess(records[0].Origin.Resource.Attributes())}}
	for _, r := range records {
		want.Batch.Spans = append(want.Batch.Spans, modelSpan(r))
	}
	if !bytes.Equal(marshal(t, &got), marshal(t, &want)) { // as bytes, because NaN is not NaN
		t.Errorf("got - and want +:\n%s", cmp.Diff(got.String(), want.String()))
	}
}

func marshal(t *testing.T, req *api_v2.PostSpansRequest) []byte {
	t.Helper()
	b, err := req.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func modelProcess(attrs []attribute.KeyValue) *model.Process {
	p := &model.Process{ServiceName: "unknown_service"}
	for _, kv := range attrs {
		switch {
		case kv.Key != "service.name":
			p.Tags = append(p.Tags, modelTag(kv))
		case kv.Value.String() != "":
			p.ServiceName = valid(kv.Value.String())
		}
	}
	return p
}

func modelSpan(r *sdkseam.Record) *model.Span {
	s := &model.Span{
		TraceID: modelTraceID(r.SpanContext), SpanID: modelSpanID(r.SpanContext),
		OperationName: valid(r.Name),
		Flags:         model.SampledFlag,
		StartTime:     modelTime(r.Start),
		Duration:      max(r.End.Sub(r.Start), 0),
	}
	if r.Parent.SpanID().IsValid() {
		s.References = append(s.References, model.NewChildOfRef(s.TraceID, modelSpanID(r.Parent)))
	}
	for _, l := range r.Links {
		s.References = append(s.References, model.NewFollowsFromRef(modelTraceID(l.SpanContext), modelSpanID(l.SpanContext)))
	}
	for _, kv := range append(r.Attrs[:len(r.Attrs):len(r.Attrs)], wantSpanTags(r)...) {
		s.Tags = append(s.Tags, modelTag(kv))
	}
	for _, e := range r.Events {
		l := model.Log{Timestamp: modelTime(e.Time)}
		for _, kv := range wantEventTags(e) {
			l.Fields = append(l.Fields, modelTag(kv))
		}
		s.Logs = append(s.Logs, l)
	}
	return s
}

func modelTraceID(sc trace.SpanContext) model.TraceID {
	id := sc.TraceID()
	return model.NewTraceID(binary.BigEndian.Uint64(id[:8]), binary.BigEndian.Uint64(id[8:]))
}

func modelSpanID(sc trace.SpanContext) model.SpanID {
	id := sc.SpanID()
	return model.NewSpanID(binary.BigEndian.Uint64(id[:]))
}

func modelTime(t time.Time) time.Time {
	switch {
	case t.Unix() < 0:
		return time.Unix(0, 0).UTC()
	case t.UTC().Year() > 9999:
		return time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	}
	return t.UTC().Round(0)
}

func modelTag(kv attribute.KeyValue) model.KeyValue {
	key := valid(string(kv.Key))
	switch kv.Value.Type() {
	case attribute.BOOL:
		return model.Bool(key, kv.Value.AsBool())
	case attribute.INT64:
		return model.Int64(key, kv.Value.AsInt64())
	case attribute.FLOAT64:
		return model.Float64(key, kv.Value.AsFloat64())
	case attribute.BYTESLICE:
		return model.Binary(key, append([]byte{}, kv.Value.AsByteSlice()...))
	}
	return model.String(key, valid(kv.Value.String()))
}
