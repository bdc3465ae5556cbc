package propagation_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/meshtrace/meshtrace/internal/seam"
	"github.com/meshtrace/meshtrace/propagation"
	otelpropagation "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

func TestInjectTo(t *testing.T) {
	mesh := []string{".svc.cluster.local", "users", "[::1]"[1:4]}
	for _, tt := range []struct {
		rule           string
		withhold, only []string
		host           string
		sent           bool
	}{
		{"everything is sent to all by default", nil, nil, "example.com", true},
		{"nothing to a host of the list", []string{"example.com"}, nil, "example.com", false},
		{"nothing to it at any port", []string{"example.com"}, nil, "example.com:8443", false},
		{"nothing to it in any case", []string{"Example.com"}, nil, "EXAMPLE.com", false},
		{"nothing to it with a dot at the end", []string{"example.com"}, nil, "example.com.", false},
		{"the host itself, not those below", []string{"example.com"}, nil, "www.example.com", true},
		{"those below, not the host itself", []string{".example.com"}, nil, "example.com", true},
		{"nothing to a host below", []string{".example.com"}, nil, "a.b.example.com", false},
		{"a name that ends alike is another", []string{".example.com"}, nil, "badexample.com", true},
		{"nothing to any host", []string{"*"}, nil, "example.com", false},
		{"only to a host of the list", nil, mesh, "users", true},
		{"only to a host of the list, at any port", nil, mesh, "users:8080", true},
		{"only to a host below one of the list", nil, mesh, "users.prod.svc.cluster.local:80", true},
		{"only to an address of the list", nil, mesh, "[::1]:80", true},
		{"only to an address of the list, without port", nil, mesh, "::1", true},
		{"to no other host", nil, mesh, "example.com", false},
		{"to no host at all", nil, []string{}, "users", false},
		{"to all hosts but those withheld from", []string{"users"}, []string{"*"}, "orders", true},
		{"withheld is stronger", []string{"users"}, []string{"*"}, "users", false},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			p := propagation.New(propagation.Config{WithholdFrom: tt.withhold, SendOnlyTo: tt.only})
			ctx, _ := span(trace.FlagsSampled)
			ctx = withBaggage(t, ctx, "user=alice")
			want := http.Header{"Accept": {"*/*"}}
			if tt.sent {
				want.Set("traceparent", traceparent)
				want.Set("baggage", "user=alice")
			}
			h := together(disagreeing, http.Header{"Accept": {"*/*"}}) // copied by a reverse proxy
			p.(seam.HostInjector).InjectTo(ctx, tt.host, otelpropagation.HeaderCarrier(h))
			if diff := cmp.Diff(want, h); diff != "" {
				t.Errorf("headers (-want +got):\n%s", diff)
			}
		})
	}
}

// What a reverse proxy has copied does not leave either, though this order would not have written it.
func TestInjectToRemovesWhatIsNotWritten(t *testing.T) {
	ctx, _ := span(trace.FlagsSampled)
	p := propagation.New(propagation.Config{Inject: propagators{propagation.TraceContext{}}, WithholdFrom: []string{"*"}})
	h := together(disagreeing, http.Header{"Accept": {"*/*"}, "Jaeger-Baggage": {"a=1"}, "Uberctx-User": {"alice"}, "X-Datadog-Origin": {"rum"}})
	p.(seam.HostInjector).InjectTo(ctx, "example.com", otelpropagation.HeaderCarrier(h))
	if diff := cmp.Diff(http.Header{"Accept": {"*/*"}}, h); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	md := erasable{metadata{"traceparent": {"x"}, "uberctx-user": {"alice"}, "accept": {"*/*"}}}
	p.(seam.HostInjector).InjectTo(ctx, "example.com", md)
	if diff := cmp.Diff(metadata{"accept": {"*/*"}}, md.metadata); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
}

// A host gets nothing if one order says so, also where that is within another one.
func TestAnOrderWithinAnOrderKeepsItsHosts(t *testing.T) {
	withholding := propagation.New(propagation.Config{WithholdFrom: []string{"a.example"}})
	only := propagation.New(propagation.Config{SendOnlyTo: []string{"b.example", "c.example"}})
	for _, tt := range []struct {
		rule string
		cfg  propagation.Config
		host string
		sent bool
	}{
		{"the inner one withholds", propagation.Config{Inject: propagators{withholding}}, "a.example", false},
		{"and from no other", propagation.Config{Inject: propagators{withholding}}, "b.example", true},
		{"the outer one withholds too", propagation.Config{Inject: propagators{withholding}, WithholdFrom: []string{"b.example"}}, "b.example", false},
		{"the inner one sends only to some", propagation.Config{Inject: propagators{only}}, "d.example", false},
		{"the outer one only to some of these", propagation.Config{Inject: propagators{only}, SendOnlyTo: []string{"c.example", "d.example"}}, "b.example", false},
		{"and not to others", propagation.Config{Inject: propagators{only}, SendOnlyTo: []string{"c.example", "d.example"}}, "d.example", false},
		{"to one of both", propagation.Config{Inject: propagators{only}, SendOnlyTo: []string{"c.example", "d.example"}}, "c.example", true},
		{"two within one", propagation.Config{Inject: propagators{withholding, only}}, "a.example", false},
		{"one that is only read says nothing", propagation.Config{Extract: propagators{withholding}}, "a.example", true},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			ctx, _ := span(trace.FlagsSampled)
			h := http.Header{}
			propagation.New(tt.cfg).(seam.HostInjector).InjectTo(ctx, tt.host, otelpropagation.HeaderCarrier(h))
			if sent := h.Get("traceparent") != ""; sent != tt.sent {
				t.Errorf("sent %v", h)
			}
		})
	}
}

func TestNewDoesNotKeepItsSlices(t *testing.T) {
	ctx, _ := span(trace.FlagsSampled)
	hosts := []string{"A.example"}
	p := propagation.New(propagation.Config{WithholdFrom: hosts})
	if hosts[0] != "A.example" {
		t.Errorf("the slice was changed to %q", hosts)
	}
	hosts[0] = "b.example"
	h := http.Header{}
	p.(seam.HostInjector).InjectTo(ctx, "a.example", otelpropagation.HeaderCarrier(h))
	if len(h) != 0 {
		t.Errorf("a change of the slice let %v through", h)
	}
}

func TestInjectToRemovesWhatStrangersWrite(t *testing.T) {
	ctx, _ := span(trace.FlagsSampled)
	p := propagation.New(propagation.Config{
		Inject:       propagators{stranger{}},
		WithholdFrom: []string{"*"},
	})
	for name, carrier := range map[string]otelpropagation.TextMapCarrier{
		"http.Header": http1("X-Stranger", "1"),
		"map":         otelpropagation.MapCarrier{"x-stranger": "1"},
		"erasable":    erasable{metadata{"x-stranger": {"1"}}},
	} {
		t.Run(name, func(t *testing.T) {
			p.(seam.HostInjector).InjectTo(ctx, "example.com", carrier)
			if keys := carrier.Keys(); len(keys) != 0 {
				t.Errorf("sent %q", keys)
			}
		})
	}
}

// A stranger is a propagator of a format that nobody knows.
type stranger struct{ otelpropagation.TraceContext }

func (stranger) Fields() []string { return []string{"x-stranger"} }
