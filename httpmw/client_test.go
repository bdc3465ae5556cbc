package httpmw_test

import (
	"bufio"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
	"time"

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

func TestClientSpan(t *testing.T) {
	for _, tt := range []struct {
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
	} {
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

// closer is a body that fails as it is told.
type closer struct {
	io.Reader
	err error
}

func (c closer) Close() error { return c.err }

func TestClientSpanEnds(t *testing.T) {
	broken := errors.New("broken")
	for _, tt := range []struct {
		rule   string
		body   func() io.ReadCloser
		use    func(t *testing.T, body io.ReadCloser)
		early  bool // ends with the headers
		failed bool
		attrs  map[string]string
	}{
		{
			rule: "at the end of the body", body: func() io.ReadCloser { return closer{strings.NewReader("hello"), nil} },
			use:   func(_ *testing.T, b io.ReadCloser) { io.Copy(io.Discard, b) },
			attrs: map[string]string{"http.response.body.size": "5"},
		},
		{
			rule: "at the end that comes with the last byte", body: func() io.ReadCloser { return closer{iotest.DataErrReader(strings.NewReader("hello")), nil} },
			use:   func(_ *testing.T, b io.ReadCloser) { b.Read(make([]byte, 10)) },
			attrs: map[string]string{"http.response.body.size": "5"},
		},
		{
			rule: "when the body is closed", body: func() io.ReadCloser { return closer{strings.NewReader("hello"), broken} },
			use: func(t *testing.T, b io.ReadCloser) {
				b.Read(make([]byte, 2))
				if err := b.Close(); err != broken {
					t.Errorf("Close: %v", err)
				}
			},
			attrs: map[string]string{"http.response.body.size": "2", "error.type": ""},
		},
		{
			rule: "when the body cannot be read", body: func() io.ReadCloser { return closer{iotest.ErrReader(broken), nil} },
			use: func(t *testing.T, b io.ReadCloser) {
				if _, err := b.Read(make([]byte, 2)); err != broken {
					t.Errorf("Read: %v", err)
				}
			},
			failed: true,
			attrs:  map[string]string{"error.type": "*errors.errorString", "http.response.status_code": "200"},
		},
		{
			rule: "only once", body: func() io.ReadCloser { return closer{strings.NewReader("hello"), nil} },
			use:   func(_ *testing.T, b io.ReadCloser) { io.Copy(io.Discard, b); b.Read(nil); b.Close(); b.Close() },
			attrs: map[string]string{"http.response.body.size": "5"},
		},
		{
			rule: "with the headers if there is no body", body: func() io.ReadCloser { return http.NoBody }, early: true,
			use: func(t *testing.T, b io.ReadCloser) {
				if b != http.NoBody {
					t.Error("http.NoBody is another one now")
				}
			},
			attrs: map[string]string{"http.response.status_code": "200"},
		},
		{
			rule: "and if there is not even that", body: func() io.ReadCloser { return nil }, early: true,
			use: func(t *testing.T, b io.ReadCloser) {
				if b != nil {
					t.Error("nil is a body now")
				}
			},
		},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			eachProvider(t, func(t *testing.T, tp trace.TracerProvider, spans ends) {
				resp, err := httpmw.NewTransport(respond(200, tt.body()), httpmw.ClientConfig{TracerProvider: tp}).RoundTrip(request(t, "GET", "http://example.com/"))
				if err != nil {
					t.Fatal(err)
				}
				if ended := len(spans.Ended()) > 0; ended != tt.early {
					t.Errorf("ended with the headers: %v, want %v", ended, tt.early)
				}
				tt.use(t, resp.Body)
				got := spans.one(t)
				if failed := got.Status().Code == codes.Error; failed != tt.failed {
					t.Errorf("status %v", got.Status())
				}
				checkAttrs(t, attrs(got), tt.attrs)
			})
		})
	}
}

func TestClientErrors(t *testing.T) {
	tlsServer := httptest.NewUnstartedServer(http.HandlerFunc(okHandler))
	tlsServer.Config.ErrorLog = quiet
	tlsServer.StartTLS()
	defer tlsServer.Close()
	reset := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer reset.Close()
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer slow.Close()
	base := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		if strings.HasPrefix(addr, "unknown.invalid") {
			return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: addr, IsNotFound: true}}
		}
		return new(net.Dialer).DialContext(ctx, network, addr)
	}}
	defer base.CloseIdleConnections()
	never := errors.New("never")

	for _, tt := range []struct {
		errorType string
		url       string
		ctx       func() (context.Context, context.CancelFunc)
		base      http.RoundTripper
		failed    bool
	}{
		{errorType: "refused", url: nobody, failed: true},
		{errorType: "reset", url: reset.URL, failed: true},
		{errorType: "dns", url: "http://unknown.invalid/", failed: true},
		{errorType: "tls", url: tlsServer.URL, failed: true},
		{errorType: "tls", url: strings.Replace(reset.URL, "http:", "https:", 1), failed: true},
		{errorType: "timeout", url: slow.URL, failed: true, ctx: func() (context.Context, context.CancelFunc) {
			return context.WithTimeout(context.Background(), time.Millisecond)
		}},
		{errorType: "cancelled", url: slow.URL, ctx: func() (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			return ctx, cancel
		}},
		{errorType: "*errors.errorString", url: slow.URL, failed: true, base: roundTripper(func(*http.Request) (*http.Response, error) { return nil, never })},
		{errorType: "*errors.errorString", url: slow.URL, failed: true, base: roundTripper(func(*http.Request) (*http.Response, error) {
			return nil, fmt.Errorf("wrapped: %w", never)
		})},
		{errorType: "crypto/x509.HostnameError", url: slow.URL, failed: true, base: roundTripper(func(*http.Request) (*http.Response, error) {
			return nil, x509.HostnameError{Certificate: &x509.Certificate{}, Host: "x"}
		})},
	} {
		t.Run(tt.errorType, func(t *testing.T) {
			eachProvider(t, func(t *testing.T, tp trace.TracerProvider, spans ends) {
				if tt.base == nil {
					tt.base = base
				}
				ctx, cancel := context.Background(), func() {}
				if tt.ctx != nil {
					ctx, cancel = tt.ctx()
				}
				defer cancel()
				r := request(t, "GET", tt.url).WithContext(ctx)
				_, want := tt.base.RoundTrip(request(t, "GET", tt.url).WithContext(ctx))
				_, err := httpmw.NewTransport(tt.base, httpmw.ClientConfig{TracerProvider: tp}).RoundTrip(r)
				if err == nil || fmt.Sprintf("%T", err) != fmt.Sprintf("%T", want) {
					t.Errorf("error %T %v, without us %T %v", err, err, want, want)
				}
				got := spans.one(t)
				checkAttrs(t, attrs(got), map[string]string{"error.type": tt.errorType, "http.response.status_code": ""})
				if failed := got.Status().Code == codes.Error; failed != tt.failed {
					t.Errorf("status %v", got.Status())
				}
			})
		})
	}
}

func TestErrorTextHasNoURL(t *testing.T) {
	tp, spans := ours(t, nil)
	rt := roundTripper(func(*http.Request) (*http.Response, error) {
		return nil, &url.Error{Op: "Get", URL: "http://example.com/?sig=secret", Err: errors.New(strings.Repeat("x", 1000))}
	})
	httpmw.NewTransport(rt, httpmw.ClientConfig{TracerProvider: tp}).RoundTrip(request(t, "GET", "http://example.com/"))
	if got := spans.one(t).Status().Description; got != strings.Repeat("x", 256) {
		t.Errorf("description %q", got)
	}
}

func TestBaseReturnsNothing(t *testing.T) {
	eachProvider(t, func(t *testing.T, tp trace.TracerProvider, spans ends) {
		rt := roundTripper(func(*http.Request) (*http.Response, error) { return nil, nil })
		httpmw.NewTransport(rt, httpmw.ClientConfig{TracerProvider: tp}).RoundTrip(request(t, "GET", "http://example.com/"))
		checkAttrs(t, attrs(spans.one(t)), map[string]string{"error.type": "_OTHER"})
	})
}

func TestBasePanics(t *testing.T) {
	eachProvider(t, func(t *testing.T, tp trace.TracerProvider, spans ends) {
		rt := roundTripper(func(*http.Request) (*http.Response, error) { panic("boom") })
		defer func() {
			if got := recover(); got != "boom" {
				t.Errorf("panicked on with %v", got)
			}
			spans.one(t)
		}()
		httpmw.NewTransport(rt, httpmw.ClientConfig{TracerProvider: tp}).RoundTrip(request(t, "GET", "http://example.com/"))
	})
}

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

func TestSwitchingProtocols(t *testing.T) {
	eachProvider(t, func(t *testing.T, tp trace.TracerProvider, spans ends) {
		done := make(chan struct{})
		wrapped := httpmw.New(httpmw.Config{TracerProvider: tp}).Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			conn, rw, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
			rw.Flush()
			line, _ := rw.ReadString('\n')
			rw.WriteString(line)
			rw.Flush()
		}))
		s := serveHTTP1(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer close(done)
			wrapped.ServeHTTP(w, r)
		}))
		rt := httpmw.NewTransport(s.Client().Transport, httpmw.ClientConfig{TracerProvider: tp})
		resp, err := rt.RoundTrip(request(t, "GET", s.URL, "Connection", "Upgrade", "Upgrade", "echo"))
		if err != nil {
			t.Fatal(err)
		}
		rw, ok := resp.Body.(io.ReadWriteCloser)
		if !ok {
			t.Fatalf("the body is a %T, which cannot be written to", resp.Body)
		}
		io.WriteString(rw, "hello\n")
		if line, _ := bufio.NewReader(rw).ReadString('\n'); line != "hello\n" {
			t.Errorf("echo %q", line)
		}
		rw.Close()
		<-done
		for _, sp := range spans.Ended() {
			if got := attrs(sp)["http.response.status_code"]; got != "101" || sp.Status().Code != codes.Unset {
				t.Errorf("%v span: status code %s, %v", sp.SpanKind(), got, sp.Status())
			}
		}
		if n := len(spans.Ended()); n != 2 {
			t.Errorf("%d spans", n)
		}
	})
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
