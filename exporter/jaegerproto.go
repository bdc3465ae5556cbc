package exporter

// Jaeger's model in protobuf.
//
// Spec: jaeger-idl, api_v2/model.proto and collector.proto, https://github.com/jaegertracing/jaeger-idl

import (
	"math"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/meshtrace/meshtrace/internal/sdkseam"
)

// jaegerProto writes PostSpansRequest messages, as the collector's port 14250 takes them.
type jaegerProto struct{}

func (jaegerProto) contentType() string { return "application/x-protobuf" }

func (jaegerProto) rejected([]byte) (int, string) { return 0, "" } // it has no words for that

// appendPieces writes the process once, and the spans, which have none of their own.
func (jaegerProto) appendPieces(dst [][]byte, b *batch) [][]byte {
	process := appendProtoProcess(nil, 2, b.resource().Attributes())       // Batch.process
	dst = append(dst, appendLength(nil, 1, len(process)+b.bytes), process) // PostSpansRequest.batch
	for _, c := range b.chunks {
		dst = append(dst, c.buf) // Batch.spans, each with tag and length
	}
	return dst
}

func appendProtoProcess(dst []byte, field protowire.Number, resource []attribute.KeyValue) []byte {
	dst, process := openMessage(dst, field)
	dst = appendString(dst, 1, serviceName(resource))
	processTags(resource, func(key string, v attribute.Value) { dst = appendProtoTag(dst, 2, key, v) })
	return closeMessage(dst, process)
}

// appendSpan writes one Batch.spans field.
func (jaegerProto) appendSpan(dst []byte, r *sdkseam.Record) []byte {
	const childOf, followsFrom, sampled = 0, 1, 1
	dst, span := openLongMessage(dst, 1)
	dst = appendIDs(dst, r.SpanContext)
	dst = appendString(dst, 3, r.Name)
	if r.Parent.SpanID().IsValid() { // it comes first: Jaeger takes the first of the same trace for the parent
		dst = appendSpanRef(dst, r.SpanContext.WithSpanID(r.Parent.SpanID()), childOf)
	}
	for i := range r.Links {
		dst = appendSpanRef(dst, r.Links[i].SpanContext, followsFrom)
	}
	dst = appendInt(dst, 5, sampled)
	dst = appendTimestamp(dst, 6, r.Start)
	dst = appendDuration(dst, 7, max(r.End.Sub(r.Start), 0))
	for i := range r.Attrs {
		dst = appendProtoTag(dst, 8, string(r.Attrs[i].Key), r.Attrs[i].Value)
	}
	extraTags(r, func(key string, v attribute.Value) { dst = appendProtoTag(dst, 8, key, v) })
	for i := range r.Events {
		dst = appendProtoLog(dst, 9, &r.Events[i])
	}
	return closeLongMessage(dst, span)
}

// appendIDs writes the fields 1 and 2, in which a span and a reference are alike.
func appendIDs(dst []byte, sc trace.SpanContext) []byte {
	traceID, spanID := sc.TraceID(), sc.SpanID()
	dst = appendBytes(dst, 1, traceID[:])
	return appendBytes(dst, 2, spanID[:])
}

func appendSpanRef(dst []byte, to trace.SpanContext, kind int64) []byte {
	dst, ref := openMessage(dst, 4)
	dst = appendIDs(dst, to)
	dst = appendInt(dst, 3, kind)
	return closeMessage(dst, ref)
}

func appendProtoLog(dst []byte, field protowire.Number, e *sdktrace.Event) []byte {
	dst, log := openMessage(dst, field)
	dst = appendTimestamp(dst, 1, e.Time)
	eventTags(e, func(key string, v attribute.Value) { dst = appendProtoTag(dst, 2, key, v) })
	return closeMessage(dst, log)
}

// appendProtoTag writes a KeyValue. Jaeger has no lists and maps; they become JSON text.
func appendProtoTag(dst []byte, field protowire.Number, key string, v attribute.Value) []byte {
	if v.Type() == attribute.STRING {
		if tag, ok := appendShortTag(dst, field, key, v.AsString()); ok {
			return tag
		}
	}
	const isBool, isInt, isFloat, isBinary = 1, 2, 3, 4 // ValueType; a string is 0
	dst, tag := openMessage(dst, field)
	dst = appendString(dst, 1, key)
	switch v.Type() {
	case attribute.STRING:
		dst = appendString(dst, 3, v.AsString())
	case attribute.BOOL:
		dst = appendInt(dst, 2, isBool)
		dst = appendInt(dst, 4, int64(protowire.EncodeBool(v.AsBool())))
	case attribute.INT64:
		dst = appendInt(dst, 2, isInt)
		dst = appendInt(dst, 5, v.AsInt64())
	case attribute.FLOAT64:
		dst = appendInt(dst, 2, isFloat)
		dst = appendField(dst, 6, protowire.Fixed64Type)
		dst = protowire.AppendFixed64(dst, math.Float64bits(v.AsFloat64()))
	case attribute.BYTESLICE:
		dst = appendInt(dst, 2, isBinary)
		dst = appendBytes(dst, 7, v.AsByteSlice())
	default:
		dst = appendString(dst, 3, v.String())
	}
	return closeMessage(dst, tag)
}

// appendShortTag is appendProtoTag for a short text, as appendShortText is for OTLP's.
func appendShortTag(dst []byte, field protowire.Number, key, value string) ([]byte, bool) {
	const keyTag, stringTag = 1<<3 | 2, 3<<3 | 2
	if len(key)+len(value) > maxShort-4 || !isASCII(key) || !isASCII(value) {
		return dst, false
	}
	dst = append(dst, byte(field)<<3|2, byte(len(key)+len(value)+4), keyTag, byte(len(key)))
	dst = append(dst, key...)
	dst = append(dst, stringTag, byte(len(value)))
	return append(dst, value...), true
}

// lastSecond is the last of the year 9999. A google.protobuf.Timestamp that is later is invalid, and
// a receiver would refuse the whole batch.
const lastSecond = 253_402_300_799

// appendTimestamp writes a google.protobuf.Timestamp. What is earlier than 1970 is unknown, which is 0.
func appendTimestamp(dst []byte, field protowire.Number, t time.Time) []byte {
	seconds, nanos := t.Unix(), int64(t.Nanosecond())
	switch {
	case seconds < 0:
		seconds, nanos = 0, 0
	case seconds > lastSecond:
		seconds, nanos = lastSecond, 0
	}
	return appendSeconds(dst, field, seconds, nanos)
}

// appendDuration writes a google.protobuf.Duration.
func appendDuration(dst []byte, field protowire.Number, d time.Duration) []byte {
	return appendSeconds(dst, field, int64(d/time.Second), int64(d%time.Second))
}

func appendSeconds(dst []byte, field protowire.Number, seconds, nanos int64) []byte {
	dst, message := openMessage(dst, field)
	dst = appendInt(dst, 1, seconds)
	dst = appendInt(dst, 2, nanos)
	return closeMessage(dst, message)
}
