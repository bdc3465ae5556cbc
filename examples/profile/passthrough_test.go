package main

import (
	"bytes"
	"context"
	"net/http"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/meshtrace/meshtrace/examples/profile/profilepb"
	"github.com/meshtrace/meshtrace/grpcmw"
	"github.com/meshtrace/meshtrace/httpmw"
	"github.com/meshtrace/meshtrace/internal/linkerd"
)

// A hop is a service whose author has added meshtrace to its servers and clients, and started
// nothing. It shows what headers it got.
type hop struct {
	profilepb.UnimplementedProfileServiceServer
	got  chan<- http.Header
	next func(context.Context) error // asks the next one
}

// ServeHTTP is the service by HTTP.
func (h hop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.got <- r.Header.Clone()
	if err := h.next(r.Context()); err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
	}
}

// GetProfile is the service by gRPC.
func (h hop) GetProfile(ctx context.Context, _ *profilepb.GetProfileRequest) (*profilepb.Profile, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	header := make(http.Header)
	for key, values := range md {
		header[http.CanonicalHeaderKey(key)] = values
	}
	h.got <- header
	return &profilepb.Profile{}, h.next(ctx)
}

// startHops runs three of them: a is asked by HTTP, and asks b by gRPC, which asks c by HTTP.
func startHops(t *testing.T, mode linkerd.Mode, collector string) (*mesh, <-chan http.Header) {
	t.Helper()
	m, err := newMesh("a", "b", "c")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := m.pods["a"].network.connect("b", grpcmw.Client(grpcmw.ClientConfig{}))
	if err != nil {
		t.Fatal(err)
	}
	askB := func(ctx context.Context) error {
		_, err := profilepb.NewProfileServiceClient(conn).GetProfile(ctx, &profilepb.GetProfileRequest{})
		return err
	}
	client := &http.Client{Transport: httpmw.NewTransport(m.pods["b"].network, httpmw.ClientConfig{})}
	askC := func(ctx context.Context) error { return visit(ctx, client, "http://c/x") }
	askNobody := func(context.Context) error { return nil }

	got := make(chan http.Header, len(m.names))
	b := grpc.NewServer(grpcmw.Server(grpcmw.Config{}))
	profilepb.RegisterProfileServiceServer(b, hop{got: got, next: askC})
	for name, app := range map[string]server{
		"a": linkerd.NewServer(httpmw.Wrap(hop{got: got, next: askB})),
		"b": grpcServer{b},
		"c": linkerd.NewServer(httpmw.Wrap(hop{got: got, next: askNobody})),
	} {
		if err := m.start(name, app, linkerd.Config{Mode: mode, Collector: collector}); err != nil {
			t.Fatal(err)
		}
	}
	return m, got
}

// passThrough sends one request with the given headers through three such services, and returns
// what each of them got and what their proxies exported. With direct, the first is reached past
// its proxy.
func passThrough(t *testing.T, mode linkerd.Mode, header http.Header, direct bool) (got []http.Header, c *collector) {
	t.Helper()
	c, err := startCollector()
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	m, headers := startHops(t, mode, c.url())
	addr := m.pods["a"].in.Addr().String()
	if direct {
		addr = m.pods["a"].app.Addr().String()
	}
	outside := throughAddr(addr)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://a/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header.Clone()
	resp, err := (&http.Client{Transport: outside}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	outside.CloseIdleConnections()
	if err := m.close(t.Context()); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("status %d, then %v", resp.StatusCode, err)
	}
	for range m.names {
		got = append(got, <-headers)
	}
	return got, c
}

func TestNothingConfiguredPassesTheContext(t *testing.T) {
	want := http.Header{
		"Traceparent": {"00-" + outsideTrace + "-" + outsideSpan + "-01"}, "Tracestate": {"vendor=value"}, "Baggage": {"user=7"},
	}
	got, c := passThrough(t, linkerd.Off, want, false)
	for i, h := range got {
		for key := range want {
			if diff := cmp.Diff(want[key], h[key]); diff != "" {
				t.Errorf("hop %d: %s (-want +got):\n%s", i+1, key, diff)
			}
		}
	}
	if c.latest() != "" {
		t.Error("something was recorded")
	}
}

// The proxies rewrite the span ID and record; the services do neither, and keep the chain whole.
func TestNothingConfiguredKeepsTheProxiesTogether(t *testing.T) {
	for _, tt := range []struct {
		rule  string
		flags string
		spans int
	}{{"sampled", "01", 10}, {"not sampled", "00", 0}} {
		t.Run(tt.rule, func(t *testing.T) {
			header := http.Header{"Traceparent": {"00-" + outsideTrace + "-" + outsideSpan + "-" + tt.flags}, "Tracestate": {"vendor=value"}}
			got, c := passThrough(t, linkerd.Modern, header, false)
			rewritten := regexp.MustCompile("^00-" + outsideTrace + "-[0-9a-f]{16}-" + tt.flags + "$")
			seen := map[string]bool{header.Get("Traceparent"): true}
			for i, h := range got {
				value := h.Get("Traceparent")
				if !rewritten.MatchString(value) || seen[value] || h.Get("Tracestate") != "vendor=value" {
					t.Errorf("hop %d: traceparent %s, tracestate %s", i+1, value, h.Get("Tracestate"))
				}
				seen[value] = true
			}
			spans := c.trace(outsideTrace)
			if links := chain(t, spans); len(links) != tt.spans {
				t.Fatalf("%d spans, want %d: %q", len(links), tt.spans, links)
			}
			if len(spans) == 0 {
				return
			}
			if top := newWaterfall(spans, false).rows[0]; hex16(top.ParentSpanId) != outsideSpan {
				t.Errorf("the first span is the child of %x, want %s", top.ParentSpanId, outsideSpan)
			}
			for _, s := range spans {
				if !bytes.Contains([]byte(label(s)), []byte("(proxy ")) {
					t.Errorf("the service %s recorded a span", s.service)
				}
			}
		})
	}
}

func TestNothingConfiguredForwardsNothingMalformed(t *testing.T) {
	for rule, header := range map[string]http.Header{
		"the traceparent that kills a proxy": {"Traceparent": {"00-" + outsideTrace + "-" + outsideSpan + "-"}},
		"a zero trace ID":                    {"Traceparent": {"00-00000000000000000000000000000000-" + outsideSpan + "-01"}},
		"short IDs":                          {"Traceparent": {"00-abcd-12-01"}, "Tracestate": {"vendor=value"}},
		"two traceparents":                   {"Traceparent": {"00-" + outsideTrace + "-" + outsideSpan + "-01", "00-" + outsideTrace + "-" + outsideSpan + "-01"}},
		"tracestate alone":                   {"Tracestate": {"vendor=value"}},
		"B3 that is not hex":                 {"X-B3-Traceid": {"trace"}, "X-B3-Spanid": {"span"}, "X-B3-Sampled": {"1"}},
		"baggage that is none":               {"Baggage": {"no equals sign"}},
	} {
		t.Run(rule, func(t *testing.T) {
			got, c := passThrough(t, linkerd.Modern, header, true)
			for _, h := range got[1:] {
				for key := range header {
					if values, ok := h[key]; ok {
						t.Errorf("%s was forwarded: %q", key, values)
					}
				}
			}
			if c.latest() != "" {
				t.Error("something was recorded")
			}
		})
	}
}
