package exporter_test

// Records with everything in them, by hand and by chance.

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/internal/sdkseam"
)

// values are attribute values of every type, with what is special about each.
var values = []struct {
	rule  string
	value attribute.Value
}{
	{"empty", attribute.Value{}},
	{"false", attribute.BoolValue(false)},
	{"true", attribute.BoolValue(true)},
	{"zero", attribute.Int64Value(0)},
	{"negative", attribute.Int64Value(-1)},
	{"least", attribute.Int64Value(math.MinInt64)},
	{"greatest", attribute.Int64Value(math.MaxInt64)},
	{"zero float", attribute.Float64Value(0)},
	{"negative zero", attribute.Float64Value(math.Copysign(0, -1))},
	{"infinite", attribute.Float64Value(math.Inf(-1))},
	{"not a number", attribute.Float64Value(math.NaN())},
	{"empty string", attribute.StringValue("")},
	{"text", attribute.StringValue("text with \"quotes\" and 🐎")},
	{"zero byte", attribute.StringValue("a\x00b")},
	{"no UTF-8", attribute.StringValue("a\xff\xfe\xc3b\xe2\x82")},
	{"no bools", attribute.BoolSliceValue(nil)},
	{"bools", attribute.BoolSliceValue([]bool{true, false})},
	{"no ints", attribute.Int64SliceValue([]int64{})},
	{"ints", attribute.Int64SliceValue([]int64{0, -5, math.MaxInt64})},
	{"no floats", attribute.Float64SliceValue(nil)},
	{"floats", attribute.Float64SliceValue([]float64{0, -0.5})},
	{"no strings", attribute.StringSliceValue(nil)},
	{"strings", attribute.StringSliceValue([]string{"", "b", "\xff"})},
	{"no bytes", attribute.ByteSliceValue(nil)},
	{"bytes", attribute.ByteSliceValue([]byte{0, 0xff, 'a'})},
	{"empty slice", attribute.SliceValue()},
	{"slice of all sorts", attribute.SliceValue(attribute.Value{}, attribute.IntValue(-1), attribute.StringValue("\xff"), attribute.ByteSliceValue([]byte{1}))},
	{"slice in a slice", attribute.SliceValue(attribute.SliceValue(attribute.SliceValue()), attribute.BoolSliceValue([]bool{true}))},
	{"empty map", attribute.MapValue()},
	{"map", attribute.MapValue(attribute.String("k", "v"), attribute.KeyValue{Key: "nothing"}, attribute.Bool("", true))},
	{"map in a map", attribute.MapValue(attribute.Map("m", attribute.Slice("s", attribute.IntValue(1)), attribute.String("\xff", "\xff")))},
	{"long", attribute.StringValue(strings.Repeat("x", 20_000))},
}

// records are spans that each have something special.
func records(t testing.TB) map[string]*sdkseam.Record {
	state, err := trace.ParseTraceState("congo=t61rcWkgMzE,rojo=00f067aa0ba902b7")
	if err != nil {
		t.Fatal(err)
	}
	other := newRecord(77).SpanContext
	all := map[string]*sdkseam.Record{
		"nothing": {Origin: &sdkseam.Origin{}},
		"tracestate": {
			SpanContext: newRecord(1).SpanContext.WithTraceState(state), Origin: origin,
		},
		"local parent":  {SpanContext: newRecord(1).SpanContext, Parent: other, Origin: origin},
		"remote parent": {SpanContext: newRecord(1).SpanContext, Parent: other.WithRemote(true), Origin: origin},
		"flags":         {SpanContext: newRecord(1).SpanContext.WithTraceFlags(trace.FlagsSampled | trace.FlagsRandom), Origin: origin},
		"IDs with the highest bits": {
			SpanContext: trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{0x80, 8: 0xff, 15: 1}, SpanID: trace.SpanID{0xff}}),
			Origin:      origin,
		},
		"before 1970":      {Start: time.Unix(-5, 0), End: time.Unix(-4, 0), Origin: origin},
		"before 1700":      {Start: time.Date(1600, 1, 1, 0, 0, 0, 0, time.UTC), End: time.Date(1600, 1, 1, 0, 0, 0, 0, time.UTC), Origin: origin},
		"after 2262":       {Start: time.Date(2300, 1, 1, 0, 0, 0, 5, time.UTC), End: time.Date(2300, 1, 1, 0, 0, 1, 0, time.UTC), Origin: origin},
		"end before start": {Start: time.Unix(5, 0), End: time.Unix(4, 0), Origin: origin},
		"kind that is none": {
			Kind: 17, SpanContext: newRecord(1).SpanContext, Origin: origin,
		},
		"ok":                    {Status: sdktrace.Status{Code: codes.Ok}, Origin: origin},
		"error":                 {Status: sdktrace.Status{Code: codes.Error}, Origin: origin},
		"error that says why":   {Status: sdktrace.Status{Code: codes.Error, Description: "bad \xff"}, Origin: origin},
		"dropped":               {DroppedAttrs: 1, DroppedEvents: 200, DroppedLinks: 1 << 20, Origin: origin},
		"dropped beyond counts": {DroppedAttrs: math.MaxInt64, DroppedEvents: -1, Origin: origin},
		"name that is no UTF-8": {Name: "GET /\xf0\x28\x8c\x28", Origin: origin},
		"empty key":             {Attrs: []attribute.KeyValue{attribute.String("", "")}, Origin: origin},
		"key that is no UTF-8":  {Attrs: []attribute.KeyValue{attribute.String("\xff\xff", "a")}, Origin: origin},
		"links": {
			Links: []sdktrace.Link{
				{SpanContext: other},
				{SpanContext: other.WithRemote(true).WithTraceState(state), Attributes: []attribute.KeyValue{attribute.Int("n", 1)}, DroppedAttributeCount: 3},
				{},
			},
			Origin: origin,
		},
		"events": {
			Events: []sdktrace.Event{
				{Name: "exception", Time: time.Unix(1, 2), Attributes: []attribute.KeyValue{attribute.String("exception.message", "\xff")}, DroppedAttributeCount: 2},
				{Name: "named twice", Time: time.Unix(3, 0), Attributes: []attribute.KeyValue{attribute.String("event", "by its attribute")}},
				{},
			},
			Origin: origin,
		},
		"scope and resource": {
			Origin: &sdkseam.Origin{
				Scope: instrumentation.Scope{
					Name: "scope\xff", Version: "v1", SchemaURL: "https://example.com/scope",
					Attributes: attribute.NewSet(attribute.String("a", "b"), attribute.Int("n", -1)),
				},
				Resource: resource.NewWithAttributes("https://example.com/resource",
					attribute.String("service.name", "service\xff"), attribute.StringSlice("list", []string{"a"}), attribute.Int("pid", 7)),
			},
		},
		"service that is a number": {Origin: &sdkseam.Origin{Resource: resource.NewSchemaless(attribute.Int("service.name", 7))}},
	}
	for kind := trace.SpanKindUnspecified; kind <= trace.SpanKindConsumer; kind++ {
		all["kind "+kind.String()] = &sdkseam.Record{Kind: kind, Origin: origin}
	}
	for _, v := range values {
		all["attribute: "+v.rule] = &sdkseam.Record{Attrs: []attribute.KeyValue{{Key: "key", Value: v.value}}, Origin: origin}
	}
	return all
}

// dice makes what a fuzzer's bytes say. When they run out, all is zero.
type dice struct{ rest []byte }

func (d *dice) byte() byte {
	if len(d.rest) == 0 {
		return 0
	}
	b := d.rest[0]
	d.rest = d.rest[1:]
	return b
}

// upTo returns a number from 0 to n.
func (d *dice) upTo(n int) int { return int(d.byte()) % (n + 1) }

func (d *dice) number() uint64 {
	var b [8]byte
	for i := range b {
		b[i] = d.byte()
	}
	return binary.LittleEndian.Uint64(b[:])
}

func (d *dice) text() string {
	n := d.upTo(40)
	if n == 40 {
		return strings.Repeat("x", int(d.byte())<<5)
	}
	n = min(n, len(d.rest))
	s := string(d.rest[:n])
	d.rest = d.rest[n:]
	return s
}

// time returns one that Go's duration reaches from 1970.
func (d *dice) time() time.Time {
	return time.Unix(int64(int32(d.number()))*3, int64(d.upTo(255))*3_000_001)
}

func many[T any](d *dice, one func() T) []T {
	all := make([]T, d.upTo(4))
	for i := range all {
		all[i] = one()
	}
	return all
}

func (d *dice) attrs(depth int) []attribute.KeyValue {
	return many(d, func() attribute.KeyValue {
		return attribute.KeyValue{Key: attribute.Key(d.text()), Value: d.value(depth)}
	})
}

func (d *dice) value(depth int) attribute.Value {
	switch d.upTo(11 + depth) {
	case 1:
		return attribute.BoolValue(d.byte() > 0)
	case 2:
		return attribute.Int64Value(int64(d.number()))
	case 3:
		return attribute.Float64Value(math.Float64frombits(d.number()))
	case 4, 5:
		return attribute.StringValue(d.text())
	case 6:
		return attribute.ByteSliceValue([]byte(d.text()))
	case 7:
		return attribute.BoolSliceValue(many(d, func() bool { return d.byte() > 0 }))
	case 8:
		return attribute.Int64SliceValue(many(d, func() int64 { return int64(d.number()) }))
	case 9:
		return attribute.Float64SliceValue(many(d, func() float64 { return math.Float64frombits(d.number()) }))
	case 10:
		return attribute.StringSliceValue(many(d, d.text))
	case 12, 14:
		return attribute.SliceValue(many(d, func() attribute.Value { return d.value(depth - 1) })...)
	case 13, 15:
		return attribute.MapValue(d.attrs(depth - 1)...)
	}
	return attribute.Value{}
}

func (d *dice) spanContext() trace.SpanContext {
	var c trace.SpanContextConfig
	binary.BigEndian.PutUint64(c.TraceID[:8], d.number())
	binary.BigEndian.PutUint64(c.TraceID[8:], d.number())
	binary.BigEndian.PutUint64(c.SpanID[:], d.number())
	c.TraceFlags, c.Remote = trace.TraceFlags(d.byte()), d.byte()%2 > 0
	c.TraceState, _ = trace.ParseTraceState(d.text())
	return trace.NewSpanContext(c)
}

func (d *dice) record(o *sdkseam.Origin) *sdkseam.Record {
	const depth = 4
	return &sdkseam.Record{
		Name:        d.text(),
		SpanContext: d.spanContext(),
		Parent:      d.spanContext(),
		Kind:        trace.SpanKind(d.upTo(6)),
		Start:       d.time(),
		End:         d.time(),
		Attrs:       d.attrs(depth),
		Events: many(d, func() sdktrace.Event {
			return sdktrace.Event{Name: d.text(), Time: d.time(), Attributes: d.attrs(depth), DroppedAttributeCount: d.upTo(200)}
		}),
		Links: many(d, func() sdktrace.Link {
			return sdktrace.Link{SpanContext: d.spanContext(), Attributes: d.attrs(depth), DroppedAttributeCount: d.upTo(200)}
		}),
		Status:        sdktrace.Status{Code: codes.Code(d.upTo(2)), Description: d.text()},
		DroppedAttrs:  d.upTo(200),
		DroppedEvents: d.upTo(200),
		DroppedLinks:  d.upTo(200),
		Origin:        o,
	}
}

// records returns a few spans of one resource and up to three scopes.
func (d *dice) records() []*sdkseam.Record {
	res := resource.NewWithAttributes(d.text(), d.attrs(1)...)
	origins := []*sdkseam.Origin{{Resource: res}}
	for range 2 {
		scope := instrumentation.Scope{Name: d.text(), Version: d.text(), SchemaURL: d.text(), Attributes: attribute.NewSet(d.attrs(1)...)}
		origins = append(origins, &sdkseam.Origin{Scope: scope, Resource: res})
	}
	all := []*sdkseam.Record{d.record(origins[0])}
	for range d.upTo(5) {
		all = append(all, d.record(origins[d.upTo(2)]))
	}
	return all
}

// seeds are a few handfuls of bytes for the fuzzers to begin with, and for their run as tests.
func seeds() (all [][]byte) {
	for seed := range 60 {
		b := make([]byte, 300)
		state := uint64(seed)
		for i := range b {
			state = state*6364136223846793005 + 1442695040888963407
			b[i] = byte(state >> 56)
		}
		all = append(all, b)
	}
	return append(all, nil)
}
