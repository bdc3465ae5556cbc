package exporter

// Jaeger's model in Thrift.
//
// Spec: jaeger-idl, jaeger.thrift, https://github.com/jaegertracing/jaeger-idl

import (
	"encoding/binary"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/internal/sdkseam"
)

// jaegerThrift writes Batch structs in the binary protocol, as the collector's port 14268 takes
// them.
type jaegerThrift struct{}

func (jaegerThrift) contentType() string { return "application/vnd.apache.thrift.binary" }

func (jaegerThrift) rejected([]byte) (int, string) { return 0, "" } // it has no words for that

// appendPieces writes a Batch: the process, and the spans.
func (jaegerThrift) appendPieces(dst [][]byte, b *batch) [][]byte {
	head := appendThriftField(nil, thriftStruct, 1) // Batch.process
	head = appendProcess(head, b.resource().Attributes())
	head, spans := openThriftList(head, 2) // Batch.spans
	closeThriftList(head, spans, b.spans)
	dst = append(dst, head)
	for _, c := range b.chunks {
		dst = append(dst, c.buf)
	}
	return append(dst, []byte{thriftStop})
}

func appendProcess(dst []byte, attrs []attribute.KeyValue) []byte {
	dst = appendThriftString(dst, 1, serviceName(attrs)) // Process.serviceName
	dst, tags := openThriftList(dst, 2)                  // Process.tags
	n := 0
	processTags(attrs, func(key string, v attribute.Value) {
		dst = appendTag(dst, key, v)
		n++
	})
	closeThriftList(dst, tags, n)
	return append(dst, thriftStop)
}

// appendSpan writes a Span.
func (jaegerThrift) appendSpan(dst []byte, r *sdkseam.Record) []byte {
	traceID := r.SpanContext.TraceID()
	dst = appendThriftI64(dst, 1, lowHalf(traceID))
	dst = appendThriftI64(dst, 2, highHalf(traceID))
	dst = appendThriftI64(dst, 3, spanNumber(r.SpanContext.SpanID()))
	dst = appendThriftI64(dst, 4, spanNumber(r.Parent.SpanID()))
	dst = appendThriftString(dst, 5, text(r.Name))
	if len(r.Links) > 0 {
		dst = appendReferences(dst, r.Links)
	}
	const sampled = 1
	dst = appendThriftI32(dst, 7, sampled)
	dst = appendThriftI64(dst, 8, micros(r.Start))
	dst = appendThriftI64(dst, 9, max(r.End.Sub(r.Start).Microseconds(), 0))
	dst, tags := openThriftList(dst, 10)
	n := len(r.Attrs)
	for i := range r.Attrs {
		dst = appendTag(dst, string(r.Attrs[i].Key), r.Attrs[i].Value)
	}
	extraTags(r, func(key string, v attribute.Value) {
		dst = appendTag(dst, key, v)
		n++
	})
	closeThriftList(dst, tags, n)
	if len(r.Events) > 0 {
		dst = appendLogs(dst, r.Events)
	}
	return append(dst, thriftStop)
}

// appendReferences writes links. The parent is no reference: it has a field of its own.
func appendReferences(dst []byte, links []sdktrace.Link) []byte {
	const followsFrom = 1
	dst, list := openThriftList(dst, 6)
	for i := range links {
		id := links[i].SpanContext.TraceID()
		dst = appendThriftI32(dst, 1, followsFrom)
		dst = appendThriftI64(dst, 2, lowHalf(id))
		dst = appendThriftI64(dst, 3, highHalf(id))
		dst = appendThriftI64(dst, 4, spanNumber(links[i].SpanContext.SpanID()))
		dst = append(dst, thriftStop)
	}
	closeThriftList(dst, list, len(links))
	return dst
}

// appendLogs writes events.
func appendLogs(dst []byte, events []sdktrace.Event) []byte {
	dst, list := openThriftList(dst, 11)
	for i := range events {
		dst = appendThriftI64(dst, 1, micros(events[i].Time))
		var fields, n int
		dst, fields = openThriftList(dst, 2)
		eventTags(&events[i], func(key string, v attribute.Value) {
			dst = appendTag(dst, key, v)
			n++
		})
		closeThriftList(dst, fields, n)
		dst = append(dst, thriftStop)
	}
	closeThriftList(dst, list, len(events))
	return dst
}

// The numbers of TagType, and with them which value field is set: 3 plus the number.
const (
	tagString = 0
	tagDouble = 1
	tagBool   = 2
	tagLong   = 3
	tagBinary = 4

	tagValue = 3
)

// appendTag writes a Tag. Jaeger has no lists and maps; they become JSON text.
func appendTag(dst []byte, key string, v attribute.Value) []byte {
	switch v.Type() {
	case attribute.BOOL:
		dst = appendTagHead(dst, key, tagBool)
		dst = appendThriftBool(dst, tagValue+tagBool, v.AsBool())
	case attribute.INT64:
		dst = appendTagHead(dst, key, tagLong)
		dst = appendThriftI64(dst, tagValue+tagLong, v.AsInt64())
	case attribute.FLOAT64:
		dst = appendTagHead(dst, key, tagDouble)
		dst = appendThriftDouble(dst, tagValue+tagDouble, v.AsFloat64())
	case attribute.BYTESLICE:
		dst = appendTagHead(dst, key, tagBinary)
		dst = appendThriftString(dst, tagValue+tagBinary, v.AsByteSlice())
	case attribute.STRING:
		return appendStringTag(dst, key, v.AsString())
	default:
		return appendStringTag(dst, key, v.String())
	}
	return append(dst, thriftStop)
}

func appendStringTag(dst []byte, key, value string) []byte {
	dst = appendTagHead(dst, key, tagString)
	dst = appendThriftString(dst, tagValue+tagString, text(value))
	return append(dst, thriftStop)
}

func appendTagHead(dst []byte, key string, kind int32) []byte {
	dst = appendThriftString(dst, 1, text(key))
	return appendThriftI32(dst, 2, kind)
}

// micros returns t as Jaeger has it: microseconds since 1970, in a number that is unsigned
// everywhere but in Thrift.
func micros(t time.Time) int64 { return max(t.UnixMicro(), 0) }

func highHalf(id trace.TraceID) int64 { return int64(binary.BigEndian.Uint64(id[:8])) }
func lowHalf(id trace.TraceID) int64  { return int64(binary.BigEndian.Uint64(id[8:])) }

// spanNumber returns the span ID as Jaeger's Thrift has it. The zero ID, no parent, is 0.
func spanNumber(id trace.SpanID) int64 { return int64(binary.BigEndian.Uint64(id[:])) }
