package linkerd_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/meshtrace/meshtrace/internal/linkerd"
)

// closedAddr returns an address at which nobody listens.
func closedAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestFailures(t *testing.T) {
	abort := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	for _, tt := range []struct {
		rule        string
		app         http.HandlerFunc // nil: nobody listens
		unrouted    bool
		meshed      bool
		version     int // of HTTP, 1 unless it is said
		contentType string
		status      int
		grpcStatus  string
		spans       []string // kind and status code
	}{
		{rule: "refused: an endpoint was tried", status: 502, spans: []string{"CLIENT 502", "SERVER 502"}},
		{rule: "closed without an answer: no client span", app: abort, status: 500, spans: []string{"SERVER 500"}},
		{rule: "too slow: no client span", app: hang, status: 504, spans: []string{"SERVER 504"}},
		{rule: "no endpoint: no client span", unrouted: true, status: 503, spans: []string{"SERVER 503"}},
		{rule: "refused, by HTTP/2", version: 2, status: 502, spans: []string{"CLIENT 502", "SERVER 502"}},
		{rule: "HTTP/1 is no gRPC, whatever it calls itself", contentType: "application/grpc", status: 502, spans: []string{"CLIENT 502", "SERVER 502"}},
		{rule: "gRPC refused: status 200", version: 2, contentType: "application/grpc+proto", status: 200, grpcStatus: "14", spans: []string{"CLIENT 200", "SERVER 200"}},
		{rule: "gRPC too slow: status 200", version: 2, app: hang, contentType: "application/grpc", status: 200, grpcStatus: "4", spans: []string{"SERVER 200"}},
		{rule: "reset, where there is no stream to reset", meshed: true, app: abort, status: 502, spans: []string{"CLIENT 502", "SERVER 502"}},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			var endpoint linkerd.Endpoint
			switch {
			case tt.app != nil:
				endpoint.Addr = serve(t, tt.app)
			case !tt.unrouted:
				endpoint.Addr = closedAddr(t)
			}
			endpoint.Meshed = tt.meshed
			p := startPod(t, nil, linkerd.Config{Routes: map[string]linkerd.Endpoint{"b": endpoint}, ResponseTimeout: 20 * time.Millisecond})
			resp := post(t, newClient(t, max(tt.version, 1), p.outbound), "http://b/x", tt.contentType)
			if resp.StatusCode != tt.status || resp.Header.Get("Grpc-Status") != tt.grpcStatus || resp.Header.Get("L5d-Proxy-Error") == "" {
				t.Errorf("status %d, header %v; want status %d, grpc-status %q", resp.StatusCode, resp.Header, tt.status, tt.grpcStatus)
			}
			var got []string
			for _, s := range p.flushed(t) {
				got = append(got, strings.TrimPrefix(s.Kind.String(), "SPAN_KIND_")+" "+attributes(t, s.Attributes)["http.response.status_code"].(string))
			}
			if diff := cmp.Diff(tt.spans, got); diff != "" {
				t.Errorf("spans (-want +got):\n%s", diff)
			}
		})
	}
}

// post sends a sampled request with a body.
func post(t *testing.T, client *http.Client, url, contentType string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", url, strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"Traceparent": {"00-" + tid + "-" + sid + "-01"}, "Content-Type": {contentType}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp
}

func TestResetStreamLeavesNoSpan(t *testing.T) {
	app := serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	p := startPod(t, nil, linkerd.Config{Routes: map[string]linkerd.Endpoint{"b": {Addr: app}}})
	req, err := http.NewRequestWithContext(t.Context(), "GET", "http://b/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Traceparent", "00-"+tid+"-"+sid+"-01")
	if resp, err := newClient(t, 2, p.outbound).Do(req); err == nil {
		resp.Body.Close()
		t.Errorf("status %d, want a reset stream", resp.StatusCode)
	}
	if spans := p.flushed(t); len(spans) != 0 {
		t.Errorf("%d spans, want none", len(spans))
	}
}

func TestCancelledRequestLeavesNoSpan(t *testing.T) {
	for _, version := range []int{1, 2} {
		reached, left := make(chan string, 1), make(chan struct{})
		p := startPod(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			reached <- r.Header.Get("Traceparent")
			<-r.Context().Done()
			close(left)
		}), linkerd.Config{})
		ctx, cancel := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, "GET", "http://b/x", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Traceparent", "00-"+tid+"-"+sid+"-01")
		failed := make(chan error, 1)
		go func() {
			resp, err := newClient(t, version, p.inbound).Do(req)
			if err == nil {
				resp.Body.Close()
			}
			failed <- err
		}()
		if got := <-reached; got == "" || got == "00-"+tid+"-"+sid+"-01" {
			t.Errorf("HTTP/%d: the application got %q, want a new span ID", version, got)
		}
		cancel()
		if err := <-failed; !errors.Is(err, context.Canceled) {
			t.Errorf("HTTP/%d: error %v, want %v", version, err, context.Canceled)
		}
		<-left // the proxy has cancelled its own request
		if spans := p.flushed(t); len(spans) != 0 {
			t.Errorf("HTTP/%d: %d spans, want none", version, len(spans))
		}
	}
}
