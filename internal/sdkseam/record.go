package sdkseam

import (
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Record is one finished span, the way its recorder hands it over.
type Record struct {
	Name          string
	SpanContext   trace.SpanContext
	Parent        trace.SpanContext
	Kind          trace.SpanKind
	Start, End    time.Time
	Attrs         []attribute.KeyValue // no key twice
	Events        []sdktrace.Event
	Links         []sdktrace.Link
	Status        sdktrace.Status
	DroppedAttrs  int
	DroppedEvents int
	DroppedLinks  int

	// Origin is who recorded the span. Records of one tracer share the pointer.
	Origin *Origin
}

// Origin is what all spans of a tracer have in common. It never changes.
type Origin struct {
	Scope    instrumentation.Scope
	Resource *resource.Resource
}

// A Sink takes finished spans without a copy. An exporter that is one is handed every sampled
// span on the goroutine that ends it.
type Sink interface {
	// Consume takes r, or counts why it could not. It does not block, is safe for concurrent
	// use, and keeps neither r nor any slice of it: they are used again when it returns.
	Consume(r *Record)
}
