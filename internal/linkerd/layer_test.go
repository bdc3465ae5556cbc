package linkerd_test

import (
	"encoding/hex"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/meshtrace/meshtrace/internal/linkerd"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

func header(key, value string) http.Header { return http.Header{key: {value}} }

// startChain runs two meshed pods, of which a can reach b, and returns what b's application receives.
func startChain(t *testing.T, mode linkerd.Mode, status int) (a, b *pod, received <-chan http.Header) {
	headers := make(chan http.Header, 1)
	b = startPod(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		headers <- r.Header
		w.WriteHeader(status)
	}), linkerd.Config{Mode: mode})
	a = startPod(t, nil, linkerd.Config{
		Mode:   mode,
		Routes: map[string]linkerd.Endpoint{"b.default:8080": {Addr: b.inbound, Meshed: true}},
	})
	return a, b, headers
}

// links returns the spans by their kind and direction, as "parent -> span" in hex.
func links(spans []*tracepb.Span) map[string]string {
	all := make(map[string]string)
	for _, s := range spans {
		all[s.Attributes[0].GetValue().GetStringValue()+" "+s.Kind.String()] = hex.EncodeToString(s.ParentSpanId) + " -> " + hex.EncodeToString(s.SpanId)
	}
	return all
}

func TestChainOfFourSpans(t *testing.T) {
	for _, version := range []int{1, 2} {
		a, b, received := startChain(t, linkerd.Modern, http.StatusOK)
		get(t, newClient(t, version, a.outbound), "http://b.default:8080/x", header("Traceparent", "00-"+tid+"-"+sid+"-01"))
		h := <-received
		spans := append(a.flushed(t), b.flushed(t)...)
		if len(spans) != 4 {
			t.Fatalf("HTTP/%d: %d spans, want 4: %v", version, len(spans), spans)
		}
		o2, o1, i2, i1 := id(spans[0]), id(spans[1]), id(spans[2]), id(spans[3])
		want := map[string]string{
			"outbound SPAN_KIND_SERVER": sid + " -> " + o1,
			"outbound SPAN_KIND_CLIENT": o1 + " -> " + o2,
			"inbound SPAN_KIND_SERVER":  o2 + " -> " + i1,
			"inbound SPAN_KIND_CLIENT":  i1 + " -> " + i2,
		}
		if diff := cmp.Diff(want, links(spans)); diff != "" {
			t.Errorf("HTTP/%d (-want +got):\n%s", version, diff)
		}
		if got, want := h.Get("Traceparent"), "00-"+tid+"-"+i2+"-01"; got != want {
			t.Errorf("HTTP/%d: the application got %s, want %s", version, got, want)
		}
	}
}

func id(s *tracepb.Span) string { return hex.EncodeToString(s.SpanId) }

func TestW3CSiblingSpansAreSiblings(t *testing.T) {
	a, b, _ := startChain(t, linkerd.W3CSibling, http.StatusOK)
	get(t, newClient(t, 1, a.outbound), "http://b.default:8080/x", header("Traceparent", "00-"+tid+"-"+sid+"-01"))
	spans := append(a.flushed(t), b.flushed(t)...)
	if len(spans) != 4 {
		t.Fatalf("%d spans, want 4", len(spans))
	}
	for _, s := range spans {
		if parent := hex.EncodeToString(s.ParentSpanId); parent != sid {
			t.Errorf("%v has the parent %s, want %s", s.Kind, parent, sid)
		}
	}
}

// The attributes of each position, beside direction, which is checked to be the first.
func TestAttributes(t *testing.T) {
	common := map[string]any{
		"http.request.method": "GET", "http.response.status_code": "404", "network.transport": "tcp",
		"url.path": "/a%2Fb", "url.query": "q=1;2&token=x", "url.scheme": "http", "url.full": "http://b.default:8080/a%2Fb?q=1;2&token=x",
		"user_agent.original": "test", "http.request.header.content-type": "text/plain",
	}
	host := map[string]any{"server.address": "b.default", "server.port": "8080"}
	origProto := map[string]any{"http.request.header.l5d-orig-proto": "HTTP/1.1"}
	for _, tt := range []struct {
		rule    string
		version int
		want    []map[string]any // outbound client and server, inbound client and server
	}{
		{"HTTP/1 between proxies as HTTP/2", 1, []map[string]any{host, host, host, merge(host, origProto)}},
		{"HTTP/2 has no Host header", 2, []map[string]any{nil, nil, nil, nil}},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			a, b, received := startChain(t, linkerd.Modern, http.StatusNotFound)
			get(t, newClient(t, tt.version, a.outbound), "http://b.default:8080/a%2Fb?q=1;2&token=x", http.Header{
				"Traceparent": {"00-" + tid + "-" + sid + "-01"}, "User-Agent": {"test"}, "Content-Type": {"text/plain"},
			})
			if h := <-received; h.Get("L5d-Orig-Proto") != "" {
				t.Errorf("the application got L5d-Orig-Proto: %s", h.Get("L5d-Orig-Proto"))
			}
			for i, s := range append(a.flushed(t), b.flushed(t)...) {
				if s.Name != "/a%2Fb" || s.Flags != 0x300 || s.Status != nil || s.TraceState != "" || len(s.Events)+len(s.Links) != 0 {
					t.Errorf("span %d: %v", i, s)
				}
				if s.EndTimeUnixNano < s.StartTimeUnixNano {
					t.Errorf("span %d ends before it starts", i)
				}
				directions := []string{"outbound", "outbound", "inbound", "inbound"}
				if first := s.Attributes[0]; first.Key != "direction" || first.Value.GetStringValue() != directions[i] {
					t.Errorf("the first attribute of span %d is %v, want direction %s", i, first, directions[i])
				}
				if diff := cmp.Diff(merge(common, tt.want[i]), attributes(t, s.Attributes[1:])); diff != "" {
					t.Errorf("span %d (-want +got):\n%s", i, diff)
				}
			}
		})
	}
}

func TestAttributesOfUnmeshedCaller(t *testing.T) {
	p := startPod(t, http.NotFoundHandler(), linkerd.Config{})
	get(t, newClient(t, 1, p.inbound), "http://b/x?q", http.Header{
		"Traceparent": {"00-" + tid + "-" + sid + "-01"}, "User-Agent": {""}, "X-Forwarded-Host": {"public.example:443"},
	})
	client, server := map[string]any{
		"direction": "inbound", "http.request.method": "GET", "http.response.status_code": "404", "network.transport": "tcp", "url.path": "/x", "url.query": "q",
		"server.address": "public.example", "server.port": "443", "url.scheme": "http", "url.full": "http://b/x?q",
	}, map[string]any{
		"direction": "inbound", "http.request.method": "GET", "http.response.status_code": "404", "network.transport": "tcp", "url.path": "/x", "url.query": "q",
		"server.address": "public.example", "server.port": "443", "url.full": "/x?q",
	}
	spans := p.flushed(t)
	if diff := cmp.Diff([]map[string]any{client, server}, []map[string]any{attributes(t, spans[0].Attributes), attributes(t, spans[1].Attributes)}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestUserinfoIsRedacted(t *testing.T) {
	app := serve(t, http.NotFoundHandler())
	p := startPod(t, nil, linkerd.Config{})
	for raw, want := range map[string]string{
		"http://user:secret@" + app + "/x": "http://REDACTED:REDACTED@" + app + "/x",
		"http://user@" + app + "/x":        "http://REDACTED@" + app + "/x",
	} {
		send(t, p.outbound, "GET "+raw+" HTTP/1.1\r\nHost: "+app+"\r\nTraceparent: 00-"+tid+"-"+sid+"-01\r\nConnection: close\r\n\r\n")
		spans := p.flushed(t)
		if got := attributes(t, spans[len(spans)-1].Attributes)["url.full"]; got != want {
			t.Errorf("url.full of %s: %s, want %s", raw, got, want)
		}
	}
}

func merge(maps ...map[string]any) map[string]any {
	all := make(map[string]any)
	for _, m := range maps {
		for k, v := range m {
			all[k] = v
		}
	}
	return all
}
