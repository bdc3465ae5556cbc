package linkerd_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/meshtrace/meshtrace/internal/linkerd"
	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	tid = "4bf92f3577b34da6a3ce929d0e0e4736"
	sid = "00f067aa0ba902b7"
)

// A collector decodes what is exported to it.
type collector struct {
	mu       sync.Mutex
	requests []*collectorpb.ExportTraceServiceRequest
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	req := new(collectorpb.ExportTraceServiceRequest)
	if err != nil || r.Method != "POST" || r.Header.Get("Content-Type") != "application/x-protobuf" || proto.Unmarshal(body, req) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests = append(c.requests, req)
}

func (c *collector) received() []*collectorpb.ExportTraceServiceRequest {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.requests)
}

func (c *collector) spans() (spans []*tracepb.Span) {
	for _, req := range c.received() {
		for _, rs := range req.ResourceSpans {
			for _, ss := range rs.ScopeSpans {
				spans = append(spans, ss.Spans...)
			}
		}
	}
	return spans
}

// A pod is an application on loopback with both sides of its proxy.
type pod struct {
	*linkerd.Proxy
	inbound, outbound string // host:port
	collector         *collector
}

// startPod runs app behind a proxy, with a collector of its own.
func startPod(t *testing.T, app http.Handler, cfg linkerd.Config) *pod {
	t.Helper()
	p := &pod{collector: new(collector)}
	if cfg.Collector == "" {
		cfg.Collector = "http://" + serve(t, p.collector) + "/v1/traces"
	}
	if app != nil {
		cfg.App = serve(t, app)
	}
	p.Proxy = newProxy(t, cfg)
	p.inbound, p.outbound = serve(t, p.Inbound()), serve(t, p.Outbound())
	return p
}

func newProxy(t *testing.T, cfg linkerd.Config) *linkerd.Proxy {
	t.Helper()
	p, err := linkerd.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// flushed returns all spans that the pod has exported, those that were waiting too.
func (p *pod) flushed(t *testing.T) []*tracepb.Span {
	t.Helper()
	if err := p.Flush(t.Context()); err != nil {
		t.Fatalf("Flush: %v", err)
	}
	return p.collector.spans()
}

// serve serves h on loopback, by HTTP/1 and unencrypted HTTP/2, and returns its address.
func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := linkerd.NewServer(h)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(l)
	}()
	t.Cleanup(func() {
		_ = srv.Close()
		<-done
	})
	return l.Addr().String()
}

// hang answers nothing until its caller leaves.
func hang(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // only at its end does the server notice
	<-r.Context().Done()
}

// newClient returns a client for one version of HTTP, 1 or 2. All its connections go to addr, as
// a pod's connections go to its proxy.
func newClient(t *testing.T, version int, addr string) *http.Client {
	transport := &http.Transport{
		Protocols:          new(http.Protocols),
		DisableCompression: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", addr)
		},
	}
	transport.Protocols.SetHTTP1(version == 1)
	transport.Protocols.SetUnencryptedHTTP2(version == 2)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: time.Minute}
}

// get sends a GET request with the given headers and returns the status.
func get(t *testing.T, client *http.Client, url string, header http.Header) int {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), "GET", url, nil)
	req.RequestURI = ""
	req.Header = header.Clone()
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode
}

// attributes returns attrs as a map, and fails the test unless all but numbers are strings.
func attributes(t *testing.T, attrs []*commonpb.KeyValue) map[string]any {
	t.Helper()
	all := make(map[string]any)
	for _, kv := range attrs {
		switch v := kv.Value.Value.(type) {
		case *commonpb.AnyValue_StringValue:
			all[kv.Key] = v.StringValue
		case *commonpb.AnyValue_IntValue:
			all[kv.Key] = v.IntValue
		default:
			t.Errorf("attribute %s has the type %T", kv.Key, v)
		}
	}
	if len(all) != len(attrs) {
		t.Errorf("%d attributes have %d keys", len(attrs), len(all))
	}
	return all
}
