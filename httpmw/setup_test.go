package httpmw_test

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	otelpropagation "go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"github.com/meshtrace/meshtrace/span"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// quiet is a server's log in tests whose handlers panic on purpose.
var quiet = log.New(io.Discard, "", 0)

// w3c is a propagator that is not ours.
var w3c = otelpropagation.NewCompositeTextMapPropagator(otelpropagation.TraceContext{}, otelpropagation.Baggage{})

const (
	traceID     = "0af7651916cd43dd8448eb211c80319c"
	parentID    = "b7ad6b7169203331"
	sampled     = "00-" + traceID + "-" + parentID + "-01"
	unsampled   = "00-" + traceID + "-" + parentID + "-00"
	traceparent = "Traceparent"
)

// ends is what a provider has finished.
type ends struct{ *tracetest.SpanRecorder }

// one returns the only span that has ended.
func (e ends) one(t *testing.T) sdktrace.ReadOnlySpan {
	t.Helper()
	spans := e.Ended()
	if len(spans) != 1 {
		t.Fatalf("%d spans ended, want 1", len(spans))
	}
	return spans[0]
}

// providers are those that every behaviour is tested with.
var providers = []struct {
	name string
	make func(t testing.TB, sampler sdktrace.Sampler) (trace.TracerProvider, ends)
}{
	{"ours", ours},
	{"official SDK", official},
}

func ours(t testing.TB, sampler sdktrace.Sampler) (trace.TracerProvider, ends) {
	t.Helper()
	rec := tracetest.NewSpanRecorder()
	tp, err := span.NewProvider(span.Config{Sampler: sampler, Processors: []sdktrace.SpanProcessor{rec}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tp.Shutdown(context.Background()) })
	return tp, ends{rec}
}

func official(t testing.TB, sampler sdktrace.Sampler) (trace.TracerProvider, ends) {
	t.Helper()
	rec := tracetest.NewSpanRecorder()
	opts := []sdktrace.TracerProviderOption{sdktrace.WithSpanProcessor(rec)}
	if sampler != nil {
		opts = append(opts, sdktrace.WithSampler(sampler))
	}
	tp := sdktrace.NewTracerProvider(opts...)
	t.Cleanup(func() { tp.Shutdown(context.Background()) })
	return tp, ends{rec}
}

// eachProvider runs a test with every provider.
func eachProvider(t *testing.T, test func(t *testing.T, tp trace.TracerProvider, spans ends)) {
	t.Helper()
	for _, p := range providers {
		t.Run(p.name, func(t *testing.T) {
			tp, spans := p.make(t, nil)
			test(t, tp, spans)
		})
	}
}

// protocols are the ways by which a request can reach a net/http server.
var protocols = []struct {
	name    string
	version string
	prepare func(*httptest.Server)
}{
	{"HTTP/1.1", "1", (*httptest.Server).Start},
	{"HTTP/2", "2", func(s *httptest.Server) {
		s.EnableHTTP2 = true
		s.StartTLS()
	}},
	{"h2c", "2", func(s *httptest.Server) {
		s.Config.Protocols = new(http.Protocols)
		s.Config.Protocols.SetUnencryptedHTTP2(true)
		s.Start()
		s.Client().Transport.(*http.Transport).Protocols = s.Config.Protocols
	}},
}

// serve starts a server that is closed when the test ends.
func serve(t testing.TB, start func(*httptest.Server), h http.Handler, errors *log.Logger) *httptest.Server {
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = errors
	start(s)
	t.Cleanup(s.Close)
	return s
}

func serveHTTP1(t testing.TB, h http.Handler) *httptest.Server {
	return serve(t, (*httptest.Server).Start, h, quiet)
}

// eachProtocol runs a test with every protocol.
func eachProtocol(t *testing.T, test func(t *testing.T, serve func(http.Handler) *httptest.Server)) {
	t.Helper()
	for _, p := range protocols {
		t.Run(p.name, func(t *testing.T) {
			test(t, func(h http.Handler) *httptest.Server { return serve(t, p.prepare, h, quiet) })
		})
	}
}

// attrs returns a span's attributes by key, as text.
func attrs(s sdktrace.ReadOnlySpan) map[string]string { return texts(s.Attributes()) }

func texts(list []attribute.KeyValue) map[string]string {
	m := make(map[string]string, len(list))
	for _, kv := range list {
		m[string(kv.Key)] = kv.Value.String()
	}
	return m
}
