package exporter

// OTLP in protobuf's wire format, appended field by field: no message objects are made.
//
// Spec: opentelemetry-proto 1.x, trace.proto, common.proto, resource.proto, trace_service.proto,
// https://github.com/open-telemetry/opentelemetry-proto

import (
	"math"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/meshtrace/meshtrace/internal/sdkseam"
)

// otlp writes ExportTraceServiceRequest messages.
type otlp struct{}

func (otlp) contentType() string { return "application/x-protobuf" }

func (otlp) rejected(answer []byte) (int, string) { return parsePartialSuccess(answer) }

// appendPieces writes the resource once, and each scope once with all of its spans. The lengths of
// what holds the spans are computed first: the spans are not to be moved to make room for them.
func (otlp) appendPieces(dst [][]byte, b *batch) [][]byte {
	origins, bytes := b.origins()
	frames := make([]frame, len(origins))
	all := frame{
		head: appendResource(nil, 1, b.resource().Attributes()), // ResourceSpans.resource
		tail: appendString(nil, 3, b.resource().SchemaURL()),
	}
	for i, o := range origins {
		frames[i] = frame{appendScope(nil, 1, o.Scope), bytes[i], appendString(nil, 3, o.Scope.SchemaURL)}
		all.content += protowire.SizeTag(2) + protowire.SizeBytes(frames[i].size())
	}
	head := appendLength(nil, 1, all.size()) // ExportTraceServiceRequest.resource_spans
	head = append(head, all.head...)
	for i, origin := range origins {
		head = appendLength(head, 2, frames[i].size()) // ResourceSpans.scope_spans
		dst = append(dst, append(head, frames[i].head...))
		b.each(func(o *sdkseam.Origin, spans []byte) {
			if o == origin {
				dst = append(dst, spans) // ScopeSpans.spans, each with tag and length
			}
		})
		head = frames[i].tail
	}
	return append(dst, append(head, all.tail...))
}

// frame is what stands before and behind a message's bulk.
type frame struct {
	head    []byte
	content int // bytes
	tail    []byte
}

func (f frame) size() int { return len(f.head) + f.content + len(f.tail) }

func appendResource(dst []byte, field protowire.Number, attrs []attribute.KeyValue) []byte {
	dst, res := openMessage(dst, field)
	dst = appendKeyValues(dst, 1, attrs)
	return closeMessage(dst, res)
}

func appendScope(dst []byte, field protowire.Number, s instrumentation.Scope) []byte {
	dst, scope := openMessage(dst, field)
	dst = appendString(dst, 1, s.Name)
	dst = appendString(dst, 2, s.Version)
	dst = appendKeyValues(dst, 3, s.Attributes.ToSlice())
	return closeMessage(dst, scope)
}

// appendSpan writes one ScopeSpans.spans field.
func (otlp) appendSpan(dst []byte, r *sdkseam.Record) []byte {
	dst, span := openLongMessage(dst, 2)
	dst = appendSpanContext(dst, r.SpanContext)
	if r.Parent.SpanID().IsValid() {
		id := r.Parent.SpanID()
		dst = appendBytes(dst, 4, id[:])
	}
	dst = appendString(dst, 5, r.Name)
	dst = appendInt(dst, 6, spanKind(r.Kind))
	dst = appendTime(dst, 7, r.Start)
	dst = appendTime(dst, 8, r.End)
	dst = appendKeyValues(dst, 9, r.Attrs)
	dst = appendCount(dst, 10, r.DroppedAttrs)
	for i := range r.Events {
		dst = appendEvent(dst, &r.Events[i])
	}
	dst = appendCount(dst, 12, r.DroppedEvents)
	for i := range r.Links {
		dst = appendLink(dst, &r.Links[i])
	}
	dst = appendCount(dst, 14, r.DroppedLinks)
	dst = appendStatus(dst, r.Status)
	dst = appendFixed32(dst, 16, spanFlags(r.SpanContext, r.Parent))
	return closeLongMessage(dst, span)
}

// spanKind returns the number of a kind, which is the same in OTLP. A kind that does not exist is
// unspecified.
func spanKind(k trace.SpanKind) int64 {
	if k < trace.SpanKindInternal || k > trace.SpanKindConsumer {
		return 0
	}
	return int64(k)
}

// appendSpanContext writes the fields 1 to 3, in which a span and a link are alike.
func appendSpanContext(dst []byte, sc trace.SpanContext) []byte {
	traceID, spanID := sc.TraceID(), sc.SpanID()
	dst = appendBytes(dst, 1, traceID[:])
	dst = appendBytes(dst, 2, spanID[:])
	if sc.TraceState().Len() == 0 {
		return dst
	}
	return appendString(dst, 3, sc.TraceState().String())
}

const (
	hasIsRemote = 0x100 // SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK
	isRemote    = 0x200 // SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK
)

// spanFlags returns the W3C flags of sc, and whether other, the parent of a span or the target of
// a link, is remote.
func spanFlags(sc, other trace.SpanContext) uint32 {
	flags := uint32(sc.TraceFlags()) | hasIsRemote
	if other.IsRemote() {
		flags |= isRemote
	}
	return flags
}

func appendEvent(dst []byte, e *sdktrace.Event) []byte {
	dst, event := openMessage(dst, 11)
	dst = appendTime(dst, 1, e.Time)
	dst = appendString(dst, 2, e.Name)
	dst = appendKeyValues(dst, 3, e.Attributes)
	dst = appendCount(dst, 4, e.DroppedAttributeCount)
	return closeMessage(dst, event)
}

func appendLink(dst []byte, l *sdktrace.Link) []byte {
	dst, link := openMessage(dst, 13)
	dst = appendSpanContext(dst, l.SpanContext)
	dst = appendKeyValues(dst, 4, l.Attributes)
	dst = appendCount(dst, 5, l.DroppedAttributeCount)
	dst = appendFixed32(dst, 6, spanFlags(l.SpanContext, l.SpanContext))
	return closeMessage(dst, link)
}

func appendStatus(dst []byte, s sdktrace.Status) []byte {
	const ok, failed = 1, 2 // Status.StatusCode; codes has them the other way round
	code := int64(0)
	switch s.Code {
	case codes.Ok:
		code = ok
	case codes.Error:
		code = failed
	default:
		return dst
	}
	dst, status := openMessage(dst, 15)
	dst = appendString(dst, 2, s.Description)
	dst = appendInt(dst, 3, code)
	return closeMessage(dst, status)
}

func appendKeyValues(dst []byte, field protowire.Number, attrs []attribute.KeyValue) []byte {
	for i := range attrs {
		dst = appendKeyValue(dst, field, &attrs[i])
	}
	return dst
}

func appendKeyValue(dst []byte, field protowire.Number, kv *attribute.KeyValue) []byte {
	switch kv.Value.Type() {
	case attribute.STRING:
		if pair, ok := appendShortText(dst, field, string(kv.Key), kv.Value.AsString()); ok {
			return pair
		}
	case attribute.INT64:
		if pair, ok := appendShortNumber(dst, field, string(kv.Key), kv.Value.AsInt64()); ok {
			return pair
		}
	}
	dst, pair := openMessage(dst, field)
	dst = appendString(dst, 1, string(kv.Key))
	dst = appendValue(dst, 2, kv.Value)
	return closeMessage(dst, pair)
}

// Nearly all attributes are short texts and numbers. What follows is appendKeyValue for them: three
// messages in one step (BenchmarkAppendSpan).

const (
	maxShort = 0x7f // a length up to this takes one byte

	keyTag    = 1<<3 | 2 // KeyValue.key
	valueTag  = 2<<3 | 2 // KeyValue.value
	stringTag = 1<<3 | 2 // AnyValue.string_value
	intTag    = 3 << 3   // AnyValue.int_value, a varint, whose type is 0
)

// appendShortText returns false, and dst as it was, if a length takes more than one byte, or a text
// is not ASCII and so may not be valid.
func appendShortText(dst []byte, field protowire.Number, key, value string) ([]byte, bool) {
	if len(key)+len(value) > maxShort-6 || !isASCII(key) || !isASCII(value) {
		return dst, false
	}
	dst = append(dst, byte(field)<<3|2, byte(len(key)+len(value)+6), keyTag, byte(len(key)))
	dst = append(dst, key...)
	dst = append(dst, valueTag, byte(len(value)+2), stringTag, byte(len(value)))
	return append(dst, value...), true
}

// appendShortNumber is the same for a number.
func appendShortNumber(dst []byte, field protowire.Number, key string, value int64) ([]byte, bool) {
	size := 1 + protowire.SizeVarint(uint64(value))
	if len(key)+size > maxShort-4 || !isASCII(key) {
		return dst, false
	}
	dst = append(dst, byte(field)<<3|2, byte(len(key)+size+4), keyTag, byte(len(key)))
	dst = append(dst, key...)
	dst = append(dst, valueTag, byte(size), intTag)
	return protowire.AppendVarint(dst, uint64(value)), true
}

// appendValue writes an AnyValue. An empty value is an AnyValue without a field.
func appendValue(dst []byte, field protowire.Number, v attribute.Value) []byte {
	dst, value := openMessage(dst, field)
	switch v.Type() {
	case attribute.STRING:
		s := text(v.AsString()) // written even if empty: a oneof's field tells the type
		dst = appendField(dst, 1, protowire.BytesType)
		dst = protowire.AppendString(dst, s)
	case attribute.BOOL:
		dst = appendField(dst, 2, protowire.VarintType)
		dst = protowire.AppendVarint(dst, protowire.EncodeBool(v.AsBool()))
	case attribute.INT64:
		dst = appendField(dst, 3, protowire.VarintType)
		dst = protowire.AppendVarint(dst, uint64(v.AsInt64()))
	case attribute.FLOAT64:
		dst = appendField(dst, 4, protowire.Fixed64Type)
		dst = protowire.AppendFixed64(dst, math.Float64bits(v.AsFloat64()))
	case attribute.MAP:
		var list int
		dst, list = openMessage(dst, 6)
		dst = appendKeyValues(dst, 1, v.AsMap())
		dst = closeMessage(dst, list)
	case attribute.BYTESLICE:
		dst = appendField(dst, 7, protowire.BytesType)
		dst = protowire.AppendBytes(dst, v.AsByteSlice())
	case attribute.EMPTY:
	default:
		dst = appendArray(dst, v)
	}
	return closeMessage(dst, value)
}

// appendArray writes AnyValue.array_value.
func appendArray(dst []byte, v attribute.Value) []byte {
	dst, array := openMessage(dst, 5)
	for _, element := range elements(v) {
		dst = appendValue(dst, 1, element)
	}
	return closeMessage(dst, array)
}

// elements returns the values in a slice of any type.
func elements(v attribute.Value) []attribute.Value {
	switch v.Type() {
	case attribute.BOOLSLICE:
		return values(v.AsBoolSlice(), attribute.BoolValue)
	case attribute.INT64SLICE:
		return values(v.AsInt64Slice(), attribute.Int64Value)
	case attribute.FLOAT64SLICE:
		return values(v.AsFloat64Slice(), attribute.Float64Value)
	case attribute.STRINGSLICE:
		return values(v.AsStringSlice(), attribute.StringValue)
	case attribute.SLICE:
		return v.AsSlice()
	}
	return nil
}

func values[T any](in []T, value func(T) attribute.Value) []attribute.Value {
	out := make([]attribute.Value, len(in))
	for i := range in {
		out[i] = value(in[i])
	}
	return out
}

// appendTime writes t in nanoseconds since 1970. What is earlier is unknown, which is 0.
func appendTime(dst []byte, field protowire.Number, t time.Time) []byte {
	nanos := uint64(0)
	if seconds := t.Unix(); seconds >= 0 {
		nanos = uint64(seconds)*uint64(time.Second) + uint64(t.Nanosecond())
	}
	dst = appendField(dst, field, protowire.Fixed64Type)
	return protowire.AppendFixed64(dst, nanos)
}

// appendCount writes a count, whose field is of 32 bits without sign.
func appendCount(dst []byte, field protowire.Number, n int) []byte {
	return appendInt(dst, field, min(max(int64(n), 0), math.MaxUint32))
}
