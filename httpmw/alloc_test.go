package httpmw_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/httpmw"
	"github.com/meshtrace/meshtrace/internal/sdkseam"
	"github.com/meshtrace/meshtrace/sampler"
	"github.com/meshtrace/meshtrace/span"
)

// discard is an exporter that takes records as fast as can be.
type discard struct{ sdktrace.SpanExporter }

func (discard) Consume(*sdkseam.Record) {}

func provider(t testing.TB, s sdktrace.Sampler) trace.TracerProvider {
	tp, err := span.NewProvider(span.Config{Sampler: s, Exporter: discard{}})
	if err != nil {
		t.Fatal(err)
	}
	return tp
}

// reused is a ResponseWriter like net/http's that can be used again.
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

// serverPaths are the ways that a request can go, with the allocations that each may cost beyond
// the same handler without us. DESIGN section 4 has the budget.
var serverPaths = []struct {
	name     string
	header   string
	provider func(testing.TB) trace.TracerProvider
	budget   float64
}{
	{"sampled", sampled, func(tb testing.TB) trace.TracerProvider { return provider(tb, sampler.ParentBased(nil)) }, 4},
	{"unsampled", unsampled, func(tb testing.TB) trace.TracerProvider { return provider(tb, sampler.ParentBased(nil)) }, 3},
	{"pass-through", sampled, func(testing.TB) trace.TracerProvider { return nil }, 3},
	{"nothing to pass", "", func(testing.TB) trace.TracerProvider { return nil }, 0},
}

func newMux() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /users/{id}", okHandler)
	return mux
}

func TestServerAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates, and empties pools")
	}
	for _, tt := range serverPaths {
		t.Run(tt.name, func(t *testing.T) {
			w, r := &reused{header: http.Header{}}, serverRequest(tt.header)
			bare, mux := newMux(), newMux()
			h := httpmw.New(httpmw.Config{TracerProvider: tt.provider(t)}).Wrap(mux)
			without := testing.AllocsPerRun(1000, func() { bare.ServeHTTP(w, r) })
			with := testing.AllocsPerRun(1000, func() { h.ServeHTTP(w, r) })
			if with-without > tt.budget {
				t.Errorf("%v allocations beyond the handler's %v, budget %v", with-without, without, tt.budget)
			}
		})
	}
}

// TestServerBytes checks the size of what a sampled request allocates.
func TestServerBytes(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates, and empties pools")
	}
	const budget = 1 << 10
	bytes := func(h http.Handler) int64 {
		w, r := &reused{header: http.Header{}}, serverRequest(sampled)
		return testing.Benchmark(func(b *testing.B) {
			for b.Loop() {
				h.ServeHTTP(w, r)
			}
		}).AllocedBytesPerOp()
	}
	with := bytes(httpmw.New(httpmw.Config{TracerProvider: provider(t, nil)}).Wrap(newMux()))
	if more := with - bytes(newMux()); more > budget {
		t.Errorf("%d bytes beyond the handler's, budget %d", more, budget)
	}
}

func TestClientAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates, and empties pools")
	}
	const budget = 6
	r := clientRequest()
	rt := httpmw.NewTransport(canned{}, httpmw.ClientConfig{TracerProvider: provider(t, nil)})
	without := testing.AllocsPerRun(1000, func() { roundTrip(canned{}, r) })
	with := testing.AllocsPerRun(1000, func() { roundTrip(rt, r) })
	if with-without > budget {
		t.Errorf("%v allocations beyond the transport's %v, budget %v", with-without, without, budget)
	}
}

func clientRequest() *http.Request {
	r, err := http.NewRequest("GET", "http://127.0.0.1:8080/users/1?q=x", nil)
	if err != nil {
		panic(err)
	}
	r.Header.Set("User-Agent", "test")
	return r
}

// canned is a transport that always has the same answer.
type canned struct{}

func (canned) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, Request: r, Body: io.NopCloser(strings.NewReader("ok"))}, nil
}

// roundTrip sends r and reads the answer.
func roundTrip(rt http.RoundTripper, r *http.Request) {
	resp, err := rt.RoundTrip(r)
	if err != nil {
		panic(err)
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
}

func BenchmarkServer(b *testing.B) {
	run := func(name string, h http.Handler, header string) {
		b.Run(name, func(b *testing.B) {
			w, r := &reused{header: http.Header{}}, serverRequest(header)
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(w, r)
			}
		})
	}
	run("path=bare", newMux(), sampled)
	for _, bb := range serverPaths {
		run("path="+bb.name, httpmw.New(httpmw.Config{TracerProvider: bb.provider(b)}).Wrap(newMux()), bb.header)
	}
}

func BenchmarkClient(b *testing.B) {
	run := func(name string, rt http.RoundTripper) {
		b.Run(name, func(b *testing.B) {
			r := clientRequest()
			b.ReportAllocs()
			for b.Loop() {
				roundTrip(rt, r)
			}
		})
	}
	run("path=bare", canned{})
	run("path=pass-through", httpmw.NewTransport(canned{}, httpmw.ClientConfig{}))
	run("path=sampled", httpmw.NewTransport(canned{}, httpmw.ClientConfig{TracerProvider: provider(b, nil)}))
}
