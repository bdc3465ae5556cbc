package exporter_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/meshtrace/meshtrace/exporter"
	"github.com/meshtrace/meshtrace/span"
)

func TestQuick(t *testing.T) {
	var n atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		var req coltrace.ExportTraceServiceRequest
		if err := proto.Unmarshal(b, &req); err != nil {
			t.Error(err)
		}
		for _, rs := range req.ResourceSpans {
			for _, ss := range rs.ScopeSpans {
				n.Add(int64(len(ss.Spans)))
			}
		}
	}))
	exp, err := exporter.New(exporter.Config{Endpoint: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	p, err := span.NewProvider(span.Config{Exporter: exp})
	tr := p.Tracer("x")
	for range 10000 {
		_, s := tr.Start(context.Background(), "hello")
		s.SetAttributes(attribute.String("a", "b"), attribute.Int("n", 3))
		s.End()
	}
	if err := p.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	t.Log(n.Load(), exp.Stats())
}

func BenchmarkSpan(b *testing.B) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
	}))
	exp, err := exporter.New(exporter.Config{Endpoint: srv.URL})
	if err != nil {
		b.Fatal(err)
	}
	p, err := span.NewProvider(span.Config{Exporter: exp})
	tr := p.Tracer("x")
	b.ReportAllocs()
	ctx := context.Background()
	attrs := []attribute.KeyValue{attribute.String("http.request.method", "GET"), attribute.Int("http.response.status_code", 200),
		attribute.String("url.path", "/users/42"), attribute.String("url.scheme", "http"), attribute.String("server.address", "localhost"), attribute.Int("server.port", 8080),
		attribute.String("network.peer.address", "127.0.0.1"), attribute.Int("network.peer.port", 33333), attribute.String("user_agent.original", "Go-http-client/1.1"), attribute.String("http.route", "/users/{id}")}
	for b.Loop() {
		_, s := tr.Start(ctx, "GET /users/{id}")
		s.SetAttributes(attrs...)
		s.End()
	}
	b.Log(exp.Stats())
	p.Shutdown(context.Background())
}
