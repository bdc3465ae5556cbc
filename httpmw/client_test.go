package httpmw_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/httpmw"
	"github.com/meshtrace/meshtrace/internal/seam"
)

// roundTripper is a function as a transport.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// respond returns a transport that always has the same answer.
func respond(status int, body io.ReadCloser) roundTripper {
	return func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, Body: body, Request: r}, nil
	}
}

var clientSpanTests = []struct {
	rule    string
	method  string
	url     string
	body    string
	respond int
	name    string
	status  codes.Code
	attrs   map[string]string
}{
	{
		rule: "the name is the method", method: "GET", url: "http://example.com/users/1?q=x", respond: 200,
		name: "GET",
		attrs: map[string]string{
			"http.request.method": "GET", "url.full": "http://example.com/users/1?q=x", "server.address": "example.com", "server.port": "80",
			"http.response.status_code": "200", "network.protocol.version": "1.1", "http.response.body.size": "2", "error.type": "", "http.request.resend_count": "",
		},
	},
	{
		rule: "no method is GET", method: "", url: "http://example.com", respond: 200, name: "GET",
		attrs: map[string]string{"http.request.method": "GET", "url.full": "http://example.com"},
	},
	{
		rule: "a method that is not known is _OTHER", method: "BREW", url: "http://example.com/", respond: 200, name: "HTTP",
		attrs: map[string]string{"http.request.method": "_OTHER", "http.request.method_original": "BREW"},
	},
	{
		rule: "the default port of https", method: "GET", url: "https://example.com/", respond: 200, name: "GET",
		attrs: map[string]string{"server.port": "443"},
	},
	{
		rule: "an explicit port", method: "GET", url: "https://[2001:db8::1]:8443/", respond: 200, name: "GET",
		attrs: map[string]string{"server.address": "2001:db8::1", "server.port": "8443", "url.full": "https://[2001:db8::1]:8443/"},
	},
	{
		rule: "credentials are redacted", method: "GET", url: "https://user:secret@example.com/?sig=secret&a=1", respond: 200, name: "GET",
		attrs: map[string]string{"url.full": "https://REDACTED:REDACTED@example.com/?sig=REDACTED&a=1", "server.address": "example.com"},
	},
	{
		rule: "a URL longer than most", method: "GET", url: "http://example.com/" + strings.Repeat("x", 1000), respond: 200, name: "GET",
		attrs: map[string]string{"url.full": "http://example.com/" + strings.Repeat("x", 1000)},
	},
	{
		rule: "the size of the request", method: "POST", url: "http://example.com/", body: "hello", respond: 201, name: "POST",
		attrs: map[string]string{"http.request.body.size": "5", "http.response.status_code": "201"},
	},
	{
		rule: "4xx is an error of ours", method: "GET", url: "http://example.com/", respond: 404, name: "GET", status: codes.Error,
		attrs: map[string]string{"http.response.status_code": "404", "error.type": "404"},
	},
	{
		rule: "5xx is an error", method: "GET", url: "http://example.com/", respond: 500, name: "GET", status: codes.Error,
		attrs: map[string]string{"error.type": "500"},
	},
}

func TestClientSpan(t *testing.T) {
	for _, tt := range clientSpanTests {
		t.Run(tt.rule, func(t *testing.T) {
			eachProvider(t, func(t *testing.T, tp trace.TracerProvider, spans ends) {
				rt := httpmw.NewTransport(respond(tt.respond, io.NopCloser(strings.NewReader("ok"))), httpmw.ClientConfig{TracerProvider: tp})
				r, err := http.NewRequest(tt.method, tt.url, strings.NewReader(tt.body))
				if err != nil {
					t.Fatal(err)
				}
				r.Method = tt.method
				resp, err := rt.RoundTrip(r)
				if err != nil {
					t.Fatal(err)
				}
				io.Copy(io.Discard, resp.Body)
				got := spans.one(t)
				if got.Name() != tt.name || got.SpanKind() != trace.SpanKindClient {
					t.Errorf("%v %q, want client %q", got.SpanKind(), got.Name(), tt.name)
				}
				if got.Status().Code != tt.status || got.Status().Description != "" {
					t.Errorf("status %v, want %v", got.Status(), tt.status)
				}
				checkAttrs(t, attrs(got), tt.attrs)
			})
		})
	}
}

func TestClientPropagates(t *testing.T) {
	for _, tt := range []struct {
		rule string
		cfg  httpmw.ClientConfig
	}{
		{"by Linkerd's propagator", httpmw.ClientConfig{}},
		{"by somebody else's", httpmw.ClientConfig{Propagator: w3c}},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			eachProvider(t, func(t *testing.T, tp trace.TracerProvider, spans ends) {
				ctx, parent := tp.Tracer("test").Start(context.Background(), "parent")
				var sent string
				tt.cfg.TracerProvider = tp
				rt := httpmw.NewTransport(roundTripper(func(r *http.Request) (*http.Response, error) {
					sent = r.Header.Get(traceparent)
					if got := trace.SpanContextFromContext(r.Context()); !strings.Contains(sent, got.SpanID().String()) {
						t.Errorf("sent %s, but the context has %s", sent, got.SpanID())
					}
					return respond(200, http.NoBody)(r)
				}), tt.cfg)
				r, _ := http.NewRequestWithContext(ctx, "GET", "http://example.com/", nil)
				if _, err := rt.RoundTrip(r); err != nil {
					t.Fatal(err)
				}
				got := spans.one(t)
				if got.Parent().SpanID() != parent.SpanContext().SpanID() {
					t.Errorf("parent %v", got.Parent())
				}
				if want := fmt.Sprintf("00-%s-%s-", got.SpanContext().TraceID(), got.SpanContext().SpanID()); !strings.HasPrefix(sent, want) {
					t.Errorf("sent %q, want %s…", sent, want)
				}
			})
		})
	}
}

func TestClientRequestIsNotChanged(t *testing.T) {
	eachProvider(t, func(t *testing.T, tp trace.TracerProvider, _ ends) {
		values := append(make([]string, 0, 4), "a") // with room that an append could write to
		body := io.NopCloser(strings.NewReader("x"))
		r, _ := http.NewRequest("POST", "http://example.com/", body)
		r.Header["X-Test"] = values
		before := r.Header.Clone()
		was := *r
		rt := httpmw.NewTransport(roundTripper(func(sent *http.Request) (*http.Response, error) {
			if sent.Body != body {
				t.Error("the body is wrapped")
			}
			if sent == r {
				t.Error("the request itself was sent")
			}
			sent.Header["X-Test"] = append(sent.Header["X-Test"], "b")
			sent.Header.Set("X-Other", "c")
			return respond(200, http.NoBody)(sent)
		}), httpmw.ClientConfig{TracerProvider: tp})
		resp, err := rt.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		if !cmp.Equal(r.Header, before) || values[:2][1] != "" {
			t.Errorf("headers are %v, were %v", r.Header, before)
		}
		if r.Body != was.Body || r.URL != was.URL || r.Context() != was.Context() {
			t.Error("the request was changed")
		}
		if resp.Request != r {
			t.Error("the response shows another request than the caller's")
		}
	})
}

func (c closer) Close() error { return c.err }

func TestIncompleteRequests(t *testing.T) {
	for _, tt := range []struct {
		rule string
		req  *http.Request
	}{
		{"without a URL", &http.Request{Header: http.Header{}}},
		{"without a header", &http.Request{URL: &url.URL{Scheme: "http", Host: "127.0.0.1:1"}}},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			_, want := http.DefaultTransport.RoundTrip(tt.req)
			_, err := httpmw.NewTransport(nil, httpmw.ClientConfig{TracerProvider: provider(t, nil)}).RoundTrip(tt.req)
			if err == nil || err.Error() != want.Error() {
				t.Errorf("error %v, without us %v", err, want)
			}
		})
	}
}

func TestUntraced(t *testing.T) {
	tp, spans := ours(t, nil)
	r := request(t, "GET", "http://example.com/").WithContext(seam.Untraced(context.Background()))
	rt := roundTripper(func(sent *http.Request) (*http.Response, error) {
		if sent != r {
			t.Error("not the request itself was sent")
		}
		return respond(200, http.NoBody)(sent)
	})
	if _, err := httpmw.NewTransport(rt, httpmw.ClientConfig{TracerProvider: tp}).RoundTrip(r); err != nil {
		t.Fatal(err)
	}
	if n := len(spans.Ended()); n > 0 {
		t.Errorf("%d spans", n)
	}
}

func TestRedirects(t *testing.T) {
	eachProtocol(t, func(t *testing.T, serve func(http.Handler) *httptest.Server) {
		eachProvider(t, func(t *testing.T, tp trace.TracerProvider, spans ends) {
			mux := http.NewServeMux()
			mux.Handle("/a", http.RedirectHandler("/b", http.StatusFound))
			mux.Handle("/b", http.RedirectHandler("/c", http.StatusFound))
			mux.HandleFunc("/c", okHandler)
			s := serve(mux)
			c := &http.Client{Transport: httpmw.NewTransport(s.Client().Transport, httpmw.ClientConfig{TracerProvider: tp})}
			get(t, c, request(t, "GET", s.URL+"/a"))
			var counts []string
			for _, sp := range spans.Ended() {
				counts = append(counts, attrs(sp)["http.request.resend_count"])
			}
			if !cmp.Equal(counts, []string{"", "1", "2"}) {
				t.Errorf("resend counts %q", counts)
			}
		})
	})
}

func TestNegotiatedProtocol(t *testing.T) {
	for _, p := range protocols {
		t.Run(p.name, func(t *testing.T) {
			tp, spans := ours(t, nil)
			s := serve(t, p.prepare, http.HandlerFunc(okHandler), quiet)
			get(t, &http.Client{Transport: httpmw.NewTransport(s.Client().Transport, httpmw.ClientConfig{TracerProvider: tp})}, request(t, "GET", s.URL))
			want := map[string]string{"HTTP/1.1": "1.1", "HTTP/2": "2", "h2c": "2"}[p.name]
			checkAttrs(t, attrs(spans.one(t)), map[string]string{"network.protocol.version": want})
		})
	}
}

func TestClientSamplerIsAsked(t *testing.T) {
	for _, p := range providers {
		t.Run(p.name, func(t *testing.T) {
			asked := new(attributeSampler)
			tp, spans := p.make(t, asked)
			httpmw.NewTransport(respond(200, http.NoBody), httpmw.ClientConfig{TracerProvider: tp}).RoundTrip(request(t, "PUT", "http://example.com/x"))
			checkAttrs(t, texts(asked.asked[0].Attributes), map[string]string{"http.request.method": "PUT", "url.full": "http://example.com/x", "server.address": "example.com", "server.port": "80"})
			spans.one(t)
		})
	}
}

func TestClientSkip(t *testing.T) {
	tp, spans := ours(t, nil)
	ctx, parent := tp.Tracer("test").Start(context.Background(), "parent")
	rt := httpmw.NewTransport(roundTripper(func(r *http.Request) (*http.Response, error) {
		if got := r.Header.Get(traceparent); !strings.Contains(got, parent.SpanContext().SpanID().String()) {
			t.Errorf("the trace is cut: sent %q", got)
		}
		return respond(200, http.NoBody)(r)
	}), httpmw.ClientConfig{TracerProvider: tp, Skip: func(*http.Request) bool { return true }})
	if _, err := rt.RoundTrip(request(t, "GET", "http://example.com/").WithContext(ctx)); err != nil {
		t.Fatal(err)
	}
	if n := len(spans.Ended()); n > 0 {
		t.Errorf("%d spans", n)
	}
}

func TestClientUnsampled(t *testing.T) {
	for _, p := range providers {
		t.Run(p.name, func(t *testing.T) {
			tp, spans := p.make(t, sdktrace.NeverSample())
			body := io.NopCloser(strings.NewReader("ok"))
			rt := httpmw.NewTransport(roundTripper(func(r *http.Request) (*http.Response, error) {
				if got := r.Header.Get(traceparent); len(got) != 55 || got[53:54] != "0" || got[54]&1 != 0 {
					t.Errorf("sent %q", got)
				}
				return respond(200, body)(r)
			}), httpmw.ClientConfig{TracerProvider: tp})
			resp, err := rt.RoundTrip(request(t, "GET", "http://example.com/"))
			if err != nil || resp.Body != body {
				t.Errorf("body %T, error %v", resp.Body, err)
			}
			if n := len(spans.Ended()); n > 0 {
				t.Errorf("%d spans", n)
			}
		})
	}
}

type idleCloser struct {
	http.RoundTripper
	closed int
}

func (c *idleCloser) CloseIdleConnections() { c.closed++ }

func TestCloseIdleConnections(t *testing.T) {
	base := new(idleCloser)
	(&http.Client{Transport: httpmw.NewTransport(base, httpmw.ClientConfig{})}).CloseIdleConnections()
	if base.closed != 1 {
		t.Error("did not reach the transport below")
	}
	(&http.Client{Transport: httpmw.NewTransport(respond(200, nil), httpmw.ClientConfig{})}).CloseIdleConnections()
}
