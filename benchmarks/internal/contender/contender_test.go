package contender_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/benchmarks/internal/contender"
	"github.com/meshtrace/meshtrace/benchmarks/internal/process"
	"github.com/meshtrace/meshtrace/benchmarks/internal/receiver"
)

const traceID, callersSpanID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"

// visit is one request to be served by a contender, in a process of its own: some set globals.
type visit struct {
	Contender contender.Name
	Endpoint  string // "" for none
	Flags     string // of the caller's traceparent
}

// seen is what the request's handler saw, and what the service that it called was sent.
type seen struct {
	TraceID, SpanID string // of the current span in the handler
	Sampled, Remote bool
	Injected        string // traceparent
}

func TestMain(m *testing.M) {
	process.Main(map[string]process.Role{
		"visit": process.Settings(func(v visit) (process.Answer, error) {
			s, err := v.make()
			return func(string) (any, error) { return s, err }, nil
		}),
	})
	os.Exit(m.Run())
}

// make serves the request.
func (v visit) make() (s seen, err error) {
	c, err := contender.New(v.Contender, v.Endpoint)
	if err != nil {
		return s, err
	}
	client := http.Client{Transport: c.Transport(transport(func(r *http.Request) {
		s.Injected = r.Header.Get("Traceparent")
	}))}
	h := c.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		sc := trace.SpanContextFromContext(r.Context())
		s.TraceID, s.SpanID, s.Sampled, s.Remote = sc.TraceID().String(), sc.SpanID().String(), sc.IsSampled(), sc.IsRemote()
		err = get(r.Context(), &client)
	}))
	r := httptest.NewRequest(http.MethodGet, "/users/42", nil)
	r.Header.Set("Traceparent", "00-"+traceID+"-"+callersSpanID+"-"+v.Flags)
	h.ServeHTTP(httptest.NewRecorder(), r)
	if err != nil {
		return s, err
	}
	return s, c.Shutdown(context.Background())
}

func get(ctx context.Context, client *http.Client) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://profile-service/", nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// transport answers requests after it has looked at them.
type transport func(*http.Request)

func (look transport) RoundTrip(r *http.Request) (*http.Response, error) {
	look(r)
	w := httptest.NewRecorder()
	w.WriteHeader(http.StatusOK)
	return w.Result(), nil
}

// send has a contender serve the request, and returns how many spans arrived.
func send(t *testing.T, v visit, exporting bool) (s seen, spans int) {
	t.Helper()
	got := new(receiver.Receiver)
	server := httptest.NewServer(got)
	defer server.Close()
	if exporting {
		v.Endpoint = server.URL
	}
	child, err := process.Start("visit", v)
	if err != nil {
		t.Fatal(err)
	}
	defer child.Close()
	if err := child.Ask("seen", &s); err != nil {
		t.Fatal(err)
	}
	return s, got.Counts().Spans
}

// each runs a test for all contenders that trace.
func each(t *testing.T, test func(t *testing.T, name contender.Name)) {
	for _, name := range []contender.Name{contender.Meshtrace, contender.OTel, contender.OTelDefaults} {
		t.Run("lib="+string(name), func(t *testing.T) { test(t, name) })
	}
}

func TestSampledRequestIsRecordedWithItsCall(t *testing.T) {
	each(t, func(t *testing.T, name contender.Name) {
		s, spans := send(t, visit{Contender: name, Flags: "01"}, true)
		if spans != 2 {
			t.Errorf("%d spans, want one for the request and one for the call", spans)
		}
		if s.TraceID != traceID || s.SpanID == callersSpanID || !s.Sampled || s.Remote {
			t.Errorf("the handler saw %+v, want a new span in the caller's trace", s)
		}
		checkInjected(t, s, "01")
		if s.Injected[36:52] == s.SpanID {
			t.Error("the call was sent with the ID of the request's span, not of its own")
		}
	})
}

func TestUnsampledRequestIsPassedOnAndNotRecorded(t *testing.T) {
	each(t, func(t *testing.T, name contender.Name) {
		s, spans := send(t, visit{Contender: name, Flags: "00"}, true)
		if spans != 0 {
			t.Errorf("%d spans, want none", spans)
		}
		if s.TraceID != traceID || s.Sampled {
			t.Errorf("the handler saw %+v, want the caller's trace, not sampled", s)
		}
		checkInjected(t, s, "00")
	})
}

func TestWithoutProviderTheCallersContextIsPassedOn(t *testing.T) {
	each(t, func(t *testing.T, name contender.Name) {
		s, spans := send(t, visit{Contender: name, Flags: "01"}, false)
		want := seen{TraceID: traceID, SpanID: callersSpanID, Sampled: true, Remote: s.Remote}
		want.Injected = "00-" + traceID + "-" + callersSpanID + "-01"
		if s != want || spans != 0 {
			t.Errorf("%+v and %d spans, want %+v and none", s, spans, want)
		}
	})
}

func TestNoneDoesNothing(t *testing.T) {
	s, spans := send(t, visit{Contender: contender.None, Flags: "01"}, true)
	if want := (seen{TraceID: trace.TraceID{}.String(), SpanID: trace.SpanID{}.String()}); s != want || spans != 0 {
		t.Errorf("%+v and %d spans, want %+v and none", s, spans, want)
	}
}

// checkInjected checks what the called service got: the trace and the flags, and some span.
func checkInjected(t *testing.T, s seen, flags string) {
	t.Helper()
	if want := "00-" + traceID + "-"; len(s.Injected) != 55 || s.Injected[:36] != want || s.Injected[53:] != flags {
		t.Errorf("injected %q, want %s...-%s", s.Injected, want, flags)
	}
}

func TestUnknownContenderIsRefused(t *testing.T) {
	if _, err := contender.New("zipkin", ""); err == nil {
		t.Error("no error")
	}
}

// TestMeasuredRequestIsCounted sees that every contender records the metrics that it is measured
// with.
func TestMeasuredRequestIsCounted(t *testing.T) {
	for _, name := range []contender.Name{contender.Meshtrace, contender.OTel} {
		t.Run("lib="+string(name), func(t *testing.T) {
			c, reader, err := contender.NewMeasured(name, "")
			if err != nil {
				t.Fatal(err)
			}
			client := http.Client{Transport: c.Transport(transport(func(*http.Request) {}))}
			c.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if err := get(r.Context(), &client); err != nil {
					t.Error(err)
				}
			})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/users/42", nil))
			if err := c.Flush(t.Context()); err != nil {
				t.Error(err)
			}
			var got metricdata.ResourceMetrics
			if err := reader.Collect(t.Context(), &got); err != nil {
				t.Fatal(err)
			}
			counts := make(map[string]uint64)
			for _, scope := range got.ScopeMetrics {
				for _, m := range scope.Metrics {
					if h, ok := m.Data.(metricdata.Histogram[float64]); ok {
						counts[m.Name] = h.DataPoints[0].Count
					}
				}
			}
			for _, name := range []string{"http.server.request.duration", "http.client.request.duration"} {
				if counts[name] != 1 {
					t.Errorf("%s counted %d requests, want 1", name, counts[name])
				}
			}
		})
	}
}
