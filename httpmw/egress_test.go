package httpmw_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/baggage"
	otelpropagation "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/httpmw"
	"github.com/meshtrace/meshtrace/propagation"
)

func hosts(t *testing.T, patterns ...string) httpmw.Hosts {
	t.Helper()
	h, err := httpmw.NewHosts(patterns...)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestNewHosts(t *testing.T) {
	for _, pattern := range []string{"", ".", "http://example.com", "example.com:80", "a b", "*.example.com", "10.0.0.0/99", "a..b", "é.example"} {
		if _, err := httpmw.NewHosts("example.com", pattern); err == nil {
			t.Errorf("NewHosts(%q) is not refused", pattern)
		}
	}
	if _, err := httpmw.NewHosts("a b", "c d"); err == nil || strings.Count(err.Error(), "httpmw: host") != 2 {
		t.Errorf("error %v does not name both", err)
	}
}

// TestEgress keeps headers inside the mesh. It is long because of its table.
func TestEgress(t *testing.T) {
	trusted := httpmw.Egress{Mesh: hosts(t, "cluster.local", ".cluster.local", "10.0.0.0/8", "fd00::/8", "127.0.0.1")}
	for _, tt := range []struct {
		rule    string
		egress  httpmw.Egress
		host    string
		trace   bool
		baggage bool
	}{
		{"everything everywhere by default", httpmw.Egress{}, "example.com", true, true},
		{"inside the mesh", trusted, "users.cluster.local", true, true},
		{"its own name", trusted, "cluster.local", true, true},
		{"in any case, with a port and a dot", trusted, "Users.CLUSTER.local.:8080", true, true},
		{"outside", trusted, "example.com", false, false},
		{"a name that only ends alike", trusted, "evilcluster.local", false, false},
		{"an address inside", trusted, "10.1.2.3:80", true, true},
		{"one that is written in IPv6", trusted, "[::ffff:10.1.2.3]:80", true, true},
		{"IPv6", trusted, "[fd00::1]", true, true},
		{"an address outside", trusted, "11.1.2.3", false, false},
		{"a single address", trusted, "127.0.0.1:1234", true, true},
		{"hosts that get nothing", httpmw.Egress{NoTrace: hosts(t, "example.com")}, "example.com", false, false},
		{"the others do", httpmw.Egress{NoTrace: hosts(t, "example.com")}, "example.org", true, true},
		{"that wins over the mesh", httpmw.Egress{Mesh: hosts(t, "*"), NoTrace: hosts(t, "example.com")}, "example.com", false, false},
		{"hosts that get no baggage", httpmw.Egress{NoBaggage: hosts(t, ".com")}, "example.com", true, false},
		{"no host gets anything", httpmw.Egress{NoTrace: hosts(t, "*")}, "10.1.2.3", false, false},
	} {
		for _, p := range []struct {
			name       string
			propagator otelpropagation.TextMapPropagator
		}{{"Linkerd's propagator", nil}, {"B3", propagation.New(propagation.Config{Inject: []otelpropagation.TextMapPropagator{propagation.B3{}, propagation.Baggage{}}})}, {"somebody else's", w3c}} {
			t.Run(tt.rule+"/"+p.name, func(t *testing.T) {
				eachProvider(t, func(t *testing.T, tp trace.TracerProvider, spans ends) {
					var sent http.Header
					rt := httpmw.NewTransport(roundTripper(func(r *http.Request) (*http.Response, error) {
						sent = r.Header
						return respond(200, http.NoBody)(r)
					}), httpmw.ClientConfig{TracerProvider: tp, Propagator: p.propagator, Egress: tt.egress})
					bag, _ := baggage.Parse("user=7")
					r := request(t, "GET", "http://"+tt.host+"/").WithContext(baggage.ContextWithBaggage(background, bag))
					for _, name := range []string{"Traceparent", "Tracestate", "Baggage", "X-B3-Traceid", "X-B3-Spanid", "B3", "Uber-Trace-Id"} {
						r.Header.Set(name, "copied by a reverse proxy")
					}
					if _, err := rt.RoundTrip(r); err != nil {
						t.Fatal(err)
					}
					id := spans.one(t).SpanContext().TraceID().String() // there is a span in any case
					var traced, bagged bool
					for name, values := range sent {
						traced = traced || strings.Contains(values[0], id)
						bagged = bagged || values[0] == "user=7"
						stale := values[0] == "copied by a reverse proxy"
						if stale && (!tt.trace || name == "Baggage" || p.name == "Linkerd's propagator") {
							t.Errorf("%s was let through", name)
						}
					}
					if traced != tt.trace || bagged != tt.baggage {
						t.Errorf("sent %v: trace %v, want %v; baggage %v, want %v", sent, traced, tt.trace, bagged, tt.baggage)
					}
				})
			})
		}
	}
}

// ownFormat is a propagator of a format that only it knows.
type ownFormat struct{}

func (ownFormat) Fields() []string { return []string{"x-own-trace"} }
func (ownFormat) Extract(ctx context.Context, _ otelpropagation.TextMapCarrier) context.Context {
	return ctx
}
func (ownFormat) Inject(_ context.Context, c otelpropagation.TextMapCarrier) {
	c.Set("x-own-trace", "ours")
}

func TestEgressOfOwnFormat(t *testing.T) {
	for host, want := range map[string]string{"inside.example": "ours", "outside.example": ""} {
		rt := httpmw.NewTransport(roundTripper(func(r *http.Request) (*http.Response, error) {
			if got := r.Header.Get("X-Own-Trace"); got != want {
				t.Errorf("%s gets %q, want %q", host, got, want)
			}
			return respond(200, http.NoBody)(r)
		}), httpmw.ClientConfig{Propagator: ownFormat{}, Egress: httpmw.Egress{Mesh: hosts(t, "inside.example")}})
		rt.RoundTrip(request(t, "GET", "http://"+host+"/", "X-Own-Trace", "copied by a reverse proxy"))
	}
}
