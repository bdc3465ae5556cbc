package propagation_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/meshtrace/meshtrace/internal/linkerd"
	"github.com/meshtrace/meshtrace/propagation"
	otelpropagation "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// A mesh is a service behind its inbound proxy.
type mesh struct {
	proxy  *linkerd.Proxy
	front  *httptest.Server
	client *http.Client

	mu       sync.Mutex
	received http.Header // by the service, for the last request
	spans    []*tracepb.Span
}

// newMesh returns a mesh whose service is called by HTTP/1 or HTTP/2.
func newMesh(t *testing.T, mode linkerd.Mode, version int) *mesh {
	m := &mesh{}
	collector := httptest.NewServer(http.HandlerFunc(m.collect))
	t.Cleanup(collector.Close)
	service := listening(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.received = r.Header
	}))
	proxy, err := linkerd.New(linkerd.Config{
		Mode: mode, App: service.Listener.Addr().String(), Collector: collector.URL, FlushInterval: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Close)
	m.proxy, m.front = proxy, listening(t, proxy.Inbound())
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetHTTP1(version == 1)
	transport.Protocols.SetUnencryptedHTTP2(version == 2)
	t.Cleanup(transport.CloseIdleConnections)
	m.client = &http.Client{Transport: transport}
	return m
}

// listening returns a server of HTTP/1 and of HTTP/2 without TLS.
func listening(t *testing.T, h http.Handler) *httptest.Server {
	server := httptest.NewUnstartedServer(h)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)
	return server
}

func (m *mesh) collect(_ http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	req := new(collectorpb.ExportTraceServiceRequest)
	if proto.Unmarshal(body, req) != nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, rs := range req.ResourceSpans {
		for _, ss := range rs.ScopeSpans {
			m.spans = append(m.spans, ss.Spans...)
		}
	}
}

// send sends a request through the proxy, and returns the headers that the service received, nil
// if it received nothing, and the proxy's span next to the service, nil if there is none.
func (m *mesh) send(t *testing.T, h http.Header) (http.Header, *tracepb.Span) {
	t.Helper()
	m.received, m.spans = nil, nil
	req, err := http.NewRequestWithContext(t.Context(), "GET", m.front.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = h
	if resp, err := m.client.Do(req); err == nil {
		resp.Body.Close()
	}
	if err := m.proxy.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, span := range m.spans {
		if span.Kind == tracepb.Span_SPAN_KIND_CLIENT {
			return m.received, span
		}
	}
	return m.received, nil
}

// What the service finds behind the proxy.
const (
	proxySpan = "the proxy's span"          // recorded: the parent must be this
	rewritten = "what the proxy wrote"      // not recorded, but still rewritten
	untouched = "what the caller wrote"     // not understood by the proxy, but by us
	nothing   = "nothing"                   // not understood by us either
	unserved  = "not even that, a lost one" // the proxy failed
)

func traceparentOf(version, traceID, spanID, flags string) http.Header {
	return http.Header{"Traceparent": {version + "-" + traceID + "-" + spanID + "-" + flags}}
}

func together(headers ...http.Header) http.Header {
	all := http.Header{}
	for _, h := range headers {
		for key, values := range h {
			all[key] = values
		}
	}
	return all
}

var linkerdTests = []struct {
	rule string
	in   http.Header
	want string
}{
	{"sampled", traceparentOf("00", tid, sid, "01"), proxySpan},
	{"not sampled, still changed", traceparentOf("00", tid, sid, "00"), rewritten},
	{"all flags are kept", traceparentOf("00", tid, sid, "03"), proxySpan},
	{"the first of several flag bytes", traceparentOf("00", tid, sid, "0100"), proxySpan},
	{"upper case", traceparentOf("00", strings.ToUpper(tid), strings.ToUpper(sid), "01"), proxySpan},
	{"short IDs are padded", traceparentOf("00", "abcd", "12", "01"), proxySpan},
	{"version 01", traceparentOf("01", tid, sid, "01"), untouched},
	{"a later version that appends", traceparentOf("cc", tid, sid, "01-x"), untouched},
	{"trace-id is zero", traceparentOf("00", zero+zero, sid, "01"), nothing},
	{"parent-id is zero", traceparentOf("00", tid, zero, "01"), nothing},
	{"one flag digit", traceparentOf("00", tid, sid, "1"), nothing},
	{"no flags", http.Header{"Traceparent": {"00-" + tid + "-" + sid}}, nothing},
	{"white space in front, on HTTP/2", http.Header{"Traceparent": {" " + traceparent}}, nothing},
	{"white space in front, on HTTP/2, beside B3", together(http.Header{"Traceparent": {" " + traceparent}}, b3Header(propagation.B3Headers{TraceID: tid, SpanID: sid, Sampled: "1"})), proxySpan},
	{"empty flags", traceparentOf("00", tid, sid, ""), unserved},
	{"of several traceparent headers the proxy takes the first", http.Header{"Traceparent": {traceparent, traceparent}}, proxySpan},

	{"grpc-trace-bin with padding", http.Header{"Grpc-Trace-Bin": {padded}}, proxySpan},
	{"grpc-trace-bin without padding", http.Header{"Grpc-Trace-Bin": {padded[:39]}}, untouched},

	{"B3, accept", b3Header(propagation.B3Headers{TraceID: tid, SpanID: sid, Sampled: "1"}), proxySpan},
	{"B3, deny", b3Header(propagation.B3Headers{TraceID: tid, SpanID: sid, Sampled: "0"}), rewritten},
	{"B3, defer", b3Header(propagation.B3Headers{TraceID: tid, SpanID: sid}), rewritten},
	{"B3, true", b3Header(propagation.B3Headers{TraceID: tid, SpanID: sid, Sampled: "true"}), rewritten},
	{"B3, d", b3Header(propagation.B3Headers{TraceID: tid, SpanID: sid, Sampled: "d"}), nothing},
	{"B3, debug only", b3Header(propagation.B3Headers{TraceID: tid, SpanID: sid, Flags: "1"}), rewritten},
	{"B3, 64-bit trace ID", b3Header(propagation.B3Headers{TraceID: tid64, SpanID: sid, Sampled: "1"}), proxySpan},
	{"B3, upper case", b3Header(propagation.B3Headers{TraceID: strings.ToUpper(tid), SpanID: sid, Sampled: "1"}), proxySpan},
	{"only b3", http.Header{"B3": {tid + "-" + sid + "-1"}}, untouched},
	{"only uber-trace-id", http.Header{"Uber-Trace-Id": {tid + ":" + sid + ":0:1"}}, untouched},

	{"traceparent beside stale B3", together(traceparentOf("00", tid, sid, "01"), b3Header(propagation.B3Headers{TraceID: tid, SpanID: pid, Sampled: "1"})), proxySpan},
	{"traceparent beside a stale b3", together(traceparentOf("00", tid, sid, "01"), http.Header{"B3": {tid + "-" + pid + "-1"}}), proxySpan},
	{"B3 beside a traceparent that the proxy does not understand", together(traceparentOf("01", tid, pid, "01"), b3Header(propagation.B3Headers{TraceID: tid, SpanID: sid, Sampled: "1"})), proxySpan},
	{"B3 beside a b3, which the proxy does not know", together(http.Header{"B3": {tid + "-" + pid + "-1"}}, b3Header(propagation.B3Headers{TraceID: tid, SpanID: sid, Sampled: "1"})), proxySpan},
	{"grpc-trace-bin beside stale B3", together(http.Header{"Grpc-Trace-Bin": {padded}}, b3Header(propagation.B3Headers{TraceID: tid, SpanID: pid, Sampled: "1"})), proxySpan},
	{"B3 beside a grpc-trace-bin without padding", together(http.Header{"Grpc-Trace-Bin": {padded[:39]}}, b3Header(propagation.B3Headers{TraceID: tid, SpanID: pid, Sampled: "1"})), proxySpan},
	{"nothing", http.Header{}, nothing},
}

func TestLinkerdReadsWhatTheProxyWrote(t *testing.T) {
	for _, mode := range []linkerd.Mode{linkerd.Modern, linkerd.Pre2320} {
		for _, version := range []int{1, 2} {
			m := newMesh(t, mode, version)
			for _, tt := range linkerdTests {
				if mode == linkerd.Pre2320 && strings.Contains(tt.rule, "without padding") {
					continue // understood there, and TestLinkerdBehindOlderProxies has them
				}
				if version == 1 && strings.Contains(tt.rule, "on HTTP/2") {
					continue // HTTP/1 trims it
				}
				t.Run(fmt.Sprintf("%v/HTTP-%d/%s", mode, version, tt.rule), func(t *testing.T) {
					m.check(t, propagation.Linkerd(), tt.in, tt.want)
				})
			}
		}
	}
}

func TestLinkerdBehindOlderProxies(t *testing.T) {
	noPadding := http.Header{"Grpc-Trace-Bin": {padded[:39]}}
	stale := b3Header(propagation.B3Headers{TraceID: tid, SpanID: pid, Sampled: "1"})
	m := newMesh(t, linkerd.Pre2320, 1)
	m.check(t, propagation.Linkerd(), noPadding, proxySpan)
	m.check(t, propagation.Linkerd(), together(noPadding, stale), proxySpan)
}

func TestLinkerdB3ReadsWhatAnOldProxyWrote(t *testing.T) {
	m := newMesh(t, linkerd.B3Only, 1)
	for _, tt := range linkerdTests {
		switch {
		case strings.Contains(tt.rule, "on HTTP/2"):
			continue // HTTP/1 trims it
		case strings.Contains(tt.rule, "B3"): // all the same
		case strings.Contains(tt.rule, "grpc"):
			tt.want = proxySpan // padding does not matter
		case tt.want == proxySpan || tt.want == rewritten:
			tt.want = untouched // traceparent is not known
			if len(tt.in["Traceparent"]) != 1 || len(tt.in.Get("Traceparent")) != len(traceparent) || strings.Contains(tt.in.Get("Traceparent"), "F") {
				tt.want = nothing // and we are more exact than a proxy
			}
		case tt.want == unserved:
			tt.want = nothing
		}
		t.Run(tt.rule, func(t *testing.T) { m.check(t, propagation.LinkerdB3(), tt.in, tt.want) })
	}
}

// check sends h through the proxy, and checks what p finds behind it.
func (m *mesh) check(t *testing.T, p otelpropagation.TextMapPropagator, h http.Header, want string) {
	t.Helper()
	received, span := m.send(t, h.Clone())
	if (received == nil) != (want == unserved) {
		t.Fatalf("the service received %v", received)
	}
	sc := extracted(p, received)
	switch want {
	case nothing, unserved:
		if sc.IsValid() {
			t.Errorf("found %v", sc)
		}
	case untouched:
		if before := extracted(p, h); !sc.Equal(before) || !sc.IsValid() || span != nil {
			t.Errorf("found %v, want %v, and no span of the proxy: %v", sc, before, span)
		}
	case rewritten:
		if id := sc.SpanID().String(); !sc.IsValid() || id == sid || id == pid || span != nil {
			t.Errorf("found %v, want another span ID, and no span of the proxy: %v", sc, span)
		}
	case proxySpan:
		if span == nil {
			t.Fatal("the proxy recorded no span")
		}
		if sc.TraceID() != trace.TraceID(span.TraceId) || sc.SpanID() != trace.SpanID(span.SpanId) || !sc.IsSampled() {
			t.Errorf("found %v, want the proxy's span %x of trace %x", sc, span.SpanId, span.TraceId)
		}
	}
}
