package exporter_test

import (
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/exporter"
	"github.com/meshtrace/meshtrace/internal/sdkseam"
)

// newUsualRecord returns the span of a usual HTTP request.
func newUsualRecord() *sdkseam.Record {
	start := time.Now()
	return &sdkseam.Record{
		Name: "GET /users/{id}",
		SpanContext: trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled}),
		Parent: trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: trace.TraceID{1}, SpanID: trace.SpanID{3}, TraceFlags: trace.FlagsSampled, Remote: true}),
		Kind:  trace.SpanKindServer,
		Start: start,
		End:   start.Add(time.Millisecond),
		Attrs: []attribute.KeyValue{
			attribute.String("http.request.method", "GET"),
			attribute.String("url.scheme", "http"),
			attribute.String("url.path", "/users/42"),
			attribute.String("network.protocol.version", "1.1"),
			attribute.String("http.route", "/users/{id}"),
			attribute.String("server.address", "user-service"),
			attribute.Int("server.port", 8080),
			attribute.String("network.peer.address", "127.0.0.1"),
			attribute.Int("network.peer.port", 45678),
			attribute.String("client.address", "127.0.0.1"),
			attribute.String("user_agent.original", "Go-http-client/1.1"),
			attribute.Int("http.response.status_code", 200),
			attribute.Int("http.response.body.size", 1234),
		},
		Origin: &sdkseam.Origin{Resource: resource.Empty()},
	}
}

func BenchmarkAppendSpan(b *testing.B) {
	r := newUsualRecord()
	for name, appendSpan := range exporter.SpanEncoders {
		b.Run("protocol="+name, func(b *testing.B) {
			b.ReportAllocs()
			var dst []byte
			for b.Loop() {
				dst = appendSpan(dst[:0], r)
			}
			b.SetBytes(int64(len(dst)))
		})
	}
}
