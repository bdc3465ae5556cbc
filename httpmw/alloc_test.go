package httpmw_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/metric/noop"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/httpmw"
	"github.com/meshtrace/meshtrace/internal/seam"
	"github.com/meshtrace/meshtrace/sampler"
	"github.com/meshtrace/meshtrace/span"
)

var _ = noop.NewMeterProvider

// discard is an exporter that takes records as fast as can be.
type discard struct{ sdktrace.SpanExporter }

func (discard) Consume(*seam.Record) {}

func provider(t testing.TB, s sdktrace.Sampler) trace.TracerProvider {
	tp, err := span.NewProvider(span.Config{Sampler: s, Exporter: discard{}})
	if err != nil {
		t.Fatal(err)
	}
	return tp
}

// writer is a ResponseWriter like net/http's that can be used again.
type reused struct {
	http.ResponseWriter
	header http.Header
}

func (w *reused) Header() http.Header         { return w.header }
func (w *reused) Write(p []byte) (int, error) { return len(p), nil }
func (w *reused) WriteHeader(int)             {}

var okBody = []byte("ok")

func okHandler(w http.ResponseWriter, r *http.Request) { w.Write(okBody) }

func serverRequest(header string) *http.Request {
	r := httptest.NewRequest("GET", "/users/1?q=x", nil)
	r.Header.Set("User-Agent", "test")
	if header != "" {
		r.Header.Set("Traceparent", header)
	}
	return r
}

func BenchmarkServer(b *testing.B) {
	for _, bb := range []struct {
		name, header string
		tp           trace.TracerProvider
		bare         bool
	}{
		{"bare", sampled, nil, true},
		{"pass", sampled, nil, false},
		{"unsampled", unsampled, provider(b, sampler.ParentBased(nil)), false},
		{"sampled", sampled, provider(b, sampler.ParentBased(nil)), false},
	} {
		b.Run(bb.name, func(b *testing.B) {
			mux := http.NewServeMux()
			mux.HandleFunc("GET /users/{id}", okHandler)
			var h http.Handler = mux
			if !bb.bare {
				h = httpmw.New(httpmw.Config{TracerProvider: bb.tp}).Wrap(mux)
			}
			w := &reused{header: http.Header{}}
			r := serverRequest(bb.header)
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(w, r)
			}
		})
	}
}

type canned struct{}

func (canned) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, Request: r, Body: io.NopCloser(strings.NewReader("ok"))}, nil
}

func BenchmarkClient(b *testing.B) {
	for _, bb := range []struct {
		name string
		tp   trace.TracerProvider
		bare bool
	}{
		{"bare", nil, true},
		{"pass", nil, false},
		{"sampled", provider(b, sampler.ParentBased(nil)), false},
	} {
		b.Run(bb.name, func(b *testing.B) {
			var rt http.RoundTripper = canned{}
			if !bb.bare {
				rt = httpmw.NewTransport(rt, httpmw.ClientConfig{TracerProvider: bb.tp})
			}
			r, _ := http.NewRequest("GET", "http://127.0.0.1:8080/users/1?q=x", nil)
			r.Header.Set("User-Agent", "test")
			var buf [64]byte
			b.ReportAllocs()
			for b.Loop() {
				resp, _ := rt.RoundTrip(r)
				for {
					if _, err := resp.Body.Read(buf[:]); err != nil {
						break
					}
				}
				resp.Body.Close()
			}
		})
	}
}
