package httpmw_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/httpmw"
)

// metrics is what a MeterProvider has measured.
type metrics struct {
	*testing.T
	reader *sdkmetric.ManualReader
}

func newMetrics(t *testing.T) (metric.MeterProvider, metrics) {
	reader := sdkmetric.NewManualReader()
	mp := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	t.Cleanup(func() { mp.Shutdown(background) })
	return mp, metrics{t, reader}
}

// all returns what was measured, by name.
func (m metrics) all() map[string]metricdata.Metrics {
	m.Helper()
	var collected metricdata.ResourceMetrics
	if err := m.reader.Collect(background, &collected); err != nil {
		m.Fatal(err)
	}
	all := make(map[string]metricdata.Metrics)
	for _, scope := range collected.ScopeMetrics {
		for _, one := range scope.Metrics {
			all[one.Name] = one
		}
	}
	return all
}

// points describes the points of a histogram of sizes: attributes, count and sum.
func points(m metricdata.Metrics) (lines []string) {
	data, _ := m.Data.(metricdata.Histogram[int64])
	for _, p := range data.DataPoints {
		lines = append(lines, fmt.Sprintf("%s: %d, sum %d", p.Attributes.Encoded(attribute.DefaultEncoder()), p.Count, p.Sum))
	}
	return lines
}

func TestServerMetrics(t *testing.T) {
	for _, tt := range []struct {
		rule string
		tp   func(t *testing.T) trace.TracerProvider
	}{
		{"recorded", func(t *testing.T) trace.TracerProvider { tp, _ := ours(t, nil); return tp }},
		{"not sampled", func(t *testing.T) trace.TracerProvider { tp, _ := ours(t, sdktrace.NeverSample()); return tp }},
		{"on the official SDK", func(t *testing.T) trace.TracerProvider { tp, _ := official(t, nil); return tp }},
		{"without tracing", func(*testing.T) trace.TracerProvider { return nil }},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			mp, measured := newMetrics(t)
			mux := http.NewServeMux()
			mux.HandleFunc("POST /users/{id}", func(w http.ResponseWriter, r *http.Request) {
				active := measured.all()["http.server.active_requests"].Data.(metricdata.Sum[int64]).DataPoints
				if len(active) != 1 || active[0].Value != 1 || active[0].Attributes.Encoded(attribute.DefaultEncoder()) != "http.request.method=POST,url.scheme=http" {
					t.Errorf("active: %v", active)
				}
				io.Copy(w, r.Body)
			})
			cfg := httpmw.Config{TracerProvider: tt.tp(t), MeterProvider: mp, Skip: func(r *http.Request) bool { return r.URL.Path == "/skip" }}
			h := httpmw.New(cfg).Wrap(mux)
			for _, r := range []*http.Request{
				httptest.NewRequest("POST", "/users/1", strings.NewReader("hello")),
				httptest.NewRequest("POST", "/users/2", struct{ io.Reader }{strings.NewReader("hi")}),
				httptest.NewRequest("GET", "/skip", nil),
			} {
				h.ServeHTTP(httptest.NewRecorder(), r)
			}
			all := measured.all()
			const by = "http.request.method=POST,http.response.status_code=200,http.route=/users/{id},network.protocol.version=1.1,url.scheme=http"
			for _, name := range []string{"http.server.request.body.size", "http.server.response.body.size"} {
				if got := points(all[name]); len(got) != 1 || got[0] != by+": 2, sum 7" {
					t.Errorf("%s: %q", name, got)
				}
			}
			duration := all["http.server.request.duration"].Data.(metricdata.Histogram[float64]).DataPoints
			if len(duration) != 1 || duration[0].Count != 2 || duration[0].Attributes.Encoded(attribute.DefaultEncoder()) != by || duration[0].Bounds[0] != 0.005 {
				t.Errorf("duration: %v", duration)
			}
			if active := all["http.server.active_requests"].Data.(metricdata.Sum[int64]).DataPoints; active[0].Value != 0 {
				t.Errorf("active at the end: %v", active)
			}
			exemplars := duration[0].Exemplars
			if wantThem := tt.rule == "recorded" || strings.HasPrefix(tt.rule, "on"); len(exemplars) > 0 != wantThem {
				t.Errorf("exemplars %v", exemplars)
			}
		})
	}
}

// TestDurations measures requests that take a known time.
func TestDurations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mp, measured := newMetrics(t)
		tp, spans := ours(t, nil)
		httpmw.New(httpmw.Config{MeterProvider: mp}).Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			time.Sleep(5 * time.Second)
		})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
		slow := roundTripper(func(r *http.Request) (*http.Response, error) {
			time.Sleep(2 * time.Second)
			return respond(200, io.NopCloser(strings.NewReader("ok")))(r)
		})
		resp, err := httpmw.NewTransport(slow, httpmw.ClientConfig{TracerProvider: tp, MeterProvider: mp}).RoundTrip(request(t, "GET", "http://example.com/"))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		resp.Body.Close()
		for name, want := range map[string]float64{"http.server.request.duration": 5, "http.client.request.duration": 3} {
			if got := measured.all()[name].Data.(metricdata.Histogram[float64]).DataPoints[0].Sum; got != want {
				t.Errorf("%s: %v s, want %v", name, got, want)
			}
		}
		checkAttrs(t, attrs(spans.one(t)), map[string]string{"meshtrace.time_to_first_byte_ms": "2000"})
	})
}

func TestServerMetricsOfFailures(t *testing.T) {
	for _, tt := range []struct {
		rule    string
		handler http.HandlerFunc
		by      string
	}{
		{"a panic", func(http.ResponseWriter, *http.Request) { panic("boom") }, "error.type=string,http.request.method=GET,http.response.status_code=500"},
		{"5xx", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, "error.type=503,http.request.method=GET,http.response.status_code=503"},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			mp, measured := newMetrics(t)
			func() {
				defer func() { recover() }()
				httpmw.New(httpmw.Config{MeterProvider: mp}).Wrap(tt.handler).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
			}()
			if got := points(measured.all()["http.server.response.body.size"]); len(got) != 1 || !strings.HasPrefix(got[0], tt.by) {
				t.Errorf("%q, want %s…", got, tt.by)
			}
		})
	}
}

func TestMetricsAreBounded(t *testing.T) {
	mp, measured := newMetrics(t)
	h := httpmw.New(httpmw.Config{MeterProvider: mp, Route: func(r *http.Request) string { return r.URL.Path }}).Wrap(http.HandlerFunc(okHandler))
	for i := range 1500 {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", fmt.Sprint("/", i), nil))
	}
	got := points(measured.all()["http.server.response.body.size"])
	var overflow string
	for _, line := range got {
		if strings.HasPrefix(line, "otel.metric.overflow=true") {
			overflow = line
		}
	}
	if len(got) > 1001 || overflow == "" {
		t.Errorf("%d kinds of request are told apart; the rest is %q", len(got), overflow)
	}
}

func TestClientMetrics(t *testing.T) {
	mp, measured := newMetrics(t)
	s := serveHTTP1(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }))
	tp, _ := ours(t, nil)
	c := &http.Client{Transport: httpmw.NewTransport(s.Client().Transport, httpmw.ClientConfig{TracerProvider: tp, MeterProvider: mp})}
	resp, err := c.Post(s.URL, "", strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(measured.all()); n != 0 {
		t.Errorf("%d instruments before the body has ended", n)
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	all := measured.all()
	host, port, _ := strings.Cut(strings.TrimPrefix(s.URL, "http://"), ":")
	by := "http.request.method=POST,http.response.status_code=200,network.protocol.version=1.1,server.address=" + host + ",server.port=" + port + ",url.scheme=http"
	for _, name := range []string{"http.client.request.body.size", "http.client.response.body.size"} {
		if got := points(all[name]); len(got) != 1 || got[0] != by+": 1, sum 5" {
			t.Errorf("%s: %q, want %s", name, got, by)
		}
	}
	if d := all["http.client.request.duration"].Data.(metricdata.Histogram[float64]).DataPoints; len(d) != 1 || len(d[0].Exemplars) != 1 {
		t.Errorf("duration %v", d)
	}
}

func TestClientMetricsOfFailures(t *testing.T) {
	mp, measured := newMetrics(t)
	for _, rt := range []http.RoundTripper{
		respond(404, http.NoBody),
		roundTripper(func(*http.Request) (*http.Response, error) { return nil, context.DeadlineExceeded }),
	} {
		httpmw.NewTransport(rt, httpmw.ClientConfig{MeterProvider: mp}).RoundTrip(request(t, "GET", "http://example.com/"))
	}
	got := strings.Join(points(measured.all()["http.client.request.body.size"]), "\n")
	for _, part := range []string{"error.type=404,", "http.response.status_code=404", "error.type=timeout,"} {
		if !strings.Contains(got, part) {
			t.Errorf("no %s in %s", part, got)
		}
	}
}

// refusing is a MeterProvider that must not be asked for anything.
type refusing struct {
	metric.MeterProvider
	*testing.T
}

func (r refusing) Meter(string, ...metric.MeterOption) metric.Meter {
	r.Error("asked for a meter")
	return noop.Meter{}
}

func TestNoMetrics(t *testing.T) {
	for _, mp := range []metric.MeterProvider{nil, noop.NewMeterProvider()} {
		w, r := &reused{header: http.Header{}}, serverRequest("")
		h := httpmw.New(httpmw.Config{MeterProvider: mp}).Wrap(http.HandlerFunc(okHandler))
		if n := testing.AllocsPerRun(100, func() { h.ServeHTTP(w, r) }); n > 0 && !raceEnabled {
			t.Errorf("%T: %v allocations for nothing", mp, n)
		}
	}
	h := httpmw.New(httpmw.Config{MeterProvider: refusing{noop.NewMeterProvider(), t}, Skip: func(*http.Request) bool { return true }}).Wrap(http.HandlerFunc(okHandler))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
}
