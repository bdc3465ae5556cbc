package httpmw_test

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/httpmw"
)

// get sends a request and reads the response to its end.
func get(t *testing.T, c *http.Client, r *http.Request) (*http.Response, string) {
	t.Helper()
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func request(t *testing.T, method, url string, header ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

var serverSpanTests = []struct {
	rule    string
	request func(r *http.Request)
	pattern string // of the handler in its mux
	handler http.HandlerFunc

	name        string
	status      codes.Code
	description string
	attrs       map[string]string // among others; an empty value means none
}{
	{
		rule:    "the name is method and route",
		pattern: "GET /users/{id}", handler: okHandler,
		name:  "GET /users/{id}",
		attrs: map[string]string{"http.request.method": "GET", "http.route": "/users/{id}", "http.response.status_code": "200", "url.path": "/users/1", "url.scheme": "http", "server.address": "example.com", "server.port": "", "http.response.body.size": "2", "error.type": "", "url.query": ""},
	},
	{
		rule:    "the route has no method",
		pattern: "/users/{id}", handler: okHandler,
		name:  "GET /users/{id}",
		attrs: map[string]string{"http.route": "/users/{id}"},
	},
	{
		rule:    "the route has no host",
		pattern: "GET example.com/users/{id}", handler: okHandler,
		name:  "GET /users/{id}",
		attrs: map[string]string{"http.route": "/users/{id}"},
	},
	{
		rule:    "a HEAD request that a GET pattern serves is a HEAD request, and its body is not sent",
		request: func(r *http.Request) { r.Method = "HEAD" },
		pattern: "GET /users/{id}", handler: okHandler,
		name:  "HEAD /users/{id}",
		attrs: map[string]string{"http.request.method": "HEAD", "http.response.body.size": ""},
	},
	{
		rule:    "without a route the name is the method",
		pattern: "/other", handler: okHandler,
		name:  "GET",
		attrs: map[string]string{"http.route": "", "http.response.status_code": "404"},
	},
	{
		rule:    "a method that is not known is _OTHER, in the name HTTP",
		request: func(r *http.Request) { r.Method = "BREW" },
		pattern: "/users/{id}", handler: okHandler,
		name:  "HTTP /users/{id}",
		attrs: map[string]string{"http.request.method": "_OTHER", "http.request.method_original": "BREW"},
	},
	{
		rule:    "methods are case-sensitive",
		request: func(r *http.Request) { r.Method = "get" },
		pattern: "/users/{id}", handler: okHandler,
		name:  "HTTP /users/{id}",
		attrs: map[string]string{"http.request.method": "_OTHER", "http.request.method_original": "get"},
	},
	{
		rule:    "the port is the Host header's",
		request: func(r *http.Request) { r.Host = "example.com:8443" },
		pattern: "/", handler: okHandler,
		name:  "GET /",
		attrs: map[string]string{"server.address": "example.com", "server.port": "8443"},
	},
	{
		rule:    "an IPv6 address has no brackets",
		request: func(r *http.Request) { r.Host = "[2001:db8::1]:80" },
		pattern: "/", handler: okHandler,
		name:  "GET /",
		attrs: map[string]string{"server.address": "2001:db8::1", "server.port": "80"},
	},
	{
		rule:    "a query is recorded without signatures",
		request: func(r *http.Request) { r.URL.RawQuery = "color=blue&sig=abc" },
		pattern: "/", handler: okHandler,
		name:  "GET /",
		attrs: map[string]string{"url.query": "color=blue&sig=REDACTED"},
	},
	{
		rule:    "the user agent",
		request: func(r *http.Request) { r.Header.Set("User-Agent", "curl/8") },
		pattern: "/", handler: okHandler,
		name:  "GET /",
		attrs: map[string]string{"user_agent.original": "curl/8"},
	},
	{
		rule:    "4xx is the client's error, not ours",
		pattern: "/", handler: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(400) },
		name:  "GET /",
		attrs: map[string]string{"http.response.status_code": "400", "error.type": ""},
	},
	{
		rule:    "5xx is an error, and the status code says enough",
		pattern: "/", handler: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) },
		name: "GET /", status: codes.Error,
		attrs: map[string]string{"http.response.status_code": "503", "error.type": "503"},
	},
	{
		rule:    "the first status counts",
		pattern: "/", handler: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(201); w.WriteHeader(500) },
		name:  "GET /",
		attrs: map[string]string{"http.response.status_code": "201"},
	},
	{
		rule:    "an informational status is not the final one",
		pattern: "/", handler: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(103); w.WriteHeader(404) },
		name:  "GET /",
		attrs: map[string]string{"http.response.status_code": "404"},
	},
	{
		rule:    "a handler that writes nothing answers 200",
		pattern: "/", handler: func(http.ResponseWriter, *http.Request) {},
		name:  "GET /",
		attrs: map[string]string{"http.response.status_code": "200", "http.response.body.size": ""},
	},
	{
		rule:    "bytes are counted through ReadFrom, WriteString and Write",
		pattern: "/",
		handler: func(w http.ResponseWriter, _ *http.Request) {
			w.Write([]byte("a"))
			io.WriteString(w, "bc")
			io.Copy(w, io.LimitReader(strings.NewReader("defg"), 3))
		},
		name:  "GET /",
		attrs: map[string]string{"http.response.body.size": "6"},
	},
}

func TestServerSpan(t *testing.T) {
	for _, tt := range serverSpanTests {
		t.Run(tt.rule, func(t *testing.T) {
			eachProvider(t, func(t *testing.T, tp trace.TracerProvider, spans ends) {
				mux := http.NewServeMux()
				mux.HandleFunc(tt.pattern, tt.handler)
				served := make(chan struct{}, 1)
				wrapped := httpmw.New(httpmw.Config{TracerProvider: tp}).Wrap(mux)
				s := serveHTTP1(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					defer func() { served <- struct{}{} }()
					wrapped.ServeHTTP(w, r)
				}))
				r := request(t, "GET", s.URL+"/users/1")
				r.Host = "example.com"
				if tt.request != nil {
					tt.request(r)
				}
				get(t, s.Client(), r)
				<-served
				got := spans.one(t)
				if got.Name() != tt.name {
					t.Errorf("name %q, want %q", got.Name(), tt.name)
				}
				if got.SpanKind() != trace.SpanKindServer {
					t.Errorf("kind %v", got.SpanKind())
				}
				if want := (sdktrace.Status{Code: tt.status, Description: tt.description}); got.Status() != want {
					t.Errorf("status %v, want %v", got.Status(), want)
				}
				checkAttrs(t, attrs(got), tt.attrs)
				if a := attrs(got); a["network.peer.address"] != "127.0.0.1" || a["client.address"] != "127.0.0.1" || a["network.peer.port"] == "" || a["network.protocol.version"] != "1.1" {
					t.Errorf("peer and protocol: %v", a)
				}
			})
		})
	}
}

func checkAttrs(t *testing.T, got, want map[string]string) {
	t.Helper()
	for k, v := range want {
		if got[k] != v {
			t.Errorf("%s = %q, want %q", k, got[k], v)
		}
	}
}

func TestServerParent(t *testing.T) {
	eachProvider(t, func(t *testing.T, tp trace.TracerProvider, spans ends) {
		var inside trace.SpanContext
		h := httpmw.New(httpmw.Config{TracerProvider: tp}).Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			inside = trace.SpanContextFromContext(r.Context())
		}))
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set(traceparent, sampled)
		r.Header.Set("tracestate", "a=1")
		h.ServeHTTP(httptest.NewRecorder(), r)
		got := spans.one(t)
		if p := got.Parent(); p.TraceID().String() != traceID || p.SpanID().String() != parentID || !p.IsRemote() {
			t.Errorf("parent %v", p)
		}
		if !got.SpanContext().Equal(inside) {
			t.Errorf("the handler sees %v, the span is %v", inside, got.SpanContext())
		}
		if inside.TraceState().String() != "a=1" {
			t.Errorf("tracestate %q", inside.TraceState())
		}
	})
}

func TestServerBaggage(t *testing.T) {
	eachProvider(t, func(t *testing.T, tp trace.TracerProvider, spans ends) {
		h := httpmw.New(httpmw.Config{TracerProvider: tp}).Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if got := baggage.FromContext(r.Context()).Member("user").Value(); got != "7" {
				t.Errorf("baggage user=%q", got)
			}
		}))
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set(traceparent, sampled)
		r.Header.Set("baggage", "user=7")
		h.ServeHTTP(httptest.NewRecorder(), r)
		if p := spans.one(t).Parent(); p.SpanID().String() != parentID {
			t.Errorf("parent %v", p)
		}
	})
}

func TestPassThrough(t *testing.T) {
	eachProtocol(t, func(t *testing.T, serve func(http.Handler) *httptest.Server) {
		for _, tt := range []struct{ rule, header, want string }{
			{"a valid context is passed on", sampled, sampled},
			{"an unsampled one too", unsampled, unsampled},
			{"a malformed one is not", "00-xyz-01", ""},
			{"none is none", "", ""},
		} {
			t.Run(tt.rule, func(t *testing.T) {
				last := serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					io.WriteString(w, r.Header.Get(traceparent))
				}))
				client := &http.Client{Transport: httpmw.NewTransport(last.Client().Transport, httpmw.ClientConfig{})}
				first := serve(httpmw.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					out, _ := http.NewRequestWithContext(r.Context(), "GET", last.URL, nil)
					out.Header.Set(traceparent, r.Header.Get(traceparent)) // as reverse proxies do
					_, body := get(t, client, out)
					io.WriteString(w, body)
				})))
				if _, got := get(t, first.Client(), request(t, "GET", first.URL, traceparent, tt.header)); got != tt.want {
					t.Errorf("third hop saw %q, want %q", got, tt.want)
				}
			})
		}
	})
}

func TestUnsampled(t *testing.T) {
	eachProvider(t, func(t *testing.T, tp trace.TracerProvider, spans ends) {
		var sc trace.SpanContext
		h := httpmw.New(httpmw.Config{TracerProvider: tp}).Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			sc = trace.SpanContextFromContext(r.Context())
		}))
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set(traceparent, unsampled)
		h.ServeHTTP(httptest.NewRecorder(), r)
		if n := len(spans.Ended()); n != 0 {
			t.Errorf("%d spans", n)
		}
		if sc.TraceID().String() != traceID || sc.IsSampled() {
			t.Errorf("context %v", sc)
		}
	})
}

func TestSkip(t *testing.T) {
	eachProvider(t, func(t *testing.T, tp trace.TracerProvider, spans ends) {
		var sc trace.SpanContext
		cfg := httpmw.Config{TracerProvider: tp, Skip: func(r *http.Request) bool { return r.URL.Path == "/healthz" }}
		h := httpmw.New(cfg).Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			sc = trace.SpanContextFromContext(r.Context())
		}))
		r := httptest.NewRequest("GET", "/healthz", nil)
		r.Header.Set(traceparent, sampled)
		h.ServeHTTP(httptest.NewRecorder(), r)
		if n := len(spans.Ended()); n != 0 {
			t.Errorf("%d spans", n)
		}
		if sc.SpanID().String() != parentID || !sc.IsSampled() {
			t.Errorf("the trace is cut: context %v", sc)
		}
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
		spans.one(t)
	})
}

// attributeSampler keeps what it was asked with.
type attributeSampler struct {
	sdktrace.Sampler
	mu    sync.Mutex
	asked []sdktrace.SamplingParameters
}

func (s *attributeSampler) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.Attributes = append(p.Attributes[:0:0], p.Attributes...)
	s.asked = append(s.asked, p)
	return sdktrace.AlwaysSample().ShouldSample(p)
}

func (s *attributeSampler) Description() string { return "test" }

func TestSamplerIsAsked(t *testing.T) {
	for _, p := range providers {
		t.Run(p.name, func(t *testing.T) {
			asked := new(attributeSampler)
			tp, spans := p.make(t, asked)
			mux := http.NewServeMux()
			mux.HandleFunc("POST /users/{id}", okHandler)
			h := httpmw.New(httpmw.Config{TracerProvider: tp}).Wrap(mux)
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/users/1", nil))
			if len(asked.asked) != 1 {
				t.Fatalf("asked %d times", len(asked.asked))
			}
			got := asked.asked[0]
			if got.Name != "POST /users/{id}" || got.Kind != trace.SpanKindServer {
				t.Errorf("asked for %q, %v", got.Name, got.Kind)
			}
			checkAttrs(t, texts(got.Attributes), map[string]string{"http.route": "/users/{id}", "http.request.method": "POST", "url.path": "/users/1"})
			if spans.one(t).Name() != "POST /users/{id}" {
				t.Errorf("name %q", spans.one(t).Name())
			}
		})
	}
}

func (f failure) Error() string { return fmt.Sprint("failure ", f.code) }

// TestWhatTheHandlerLeavesOnTheRequest reaches whoever is above, though the handler gets a copy.
func TestWhatTheHandlerLeavesOnTheRequest(t *testing.T) {
	for _, tt := range []struct {
		rule   string
		header string
		tp     trace.TracerProvider
	}{
		{"a request that is passed through", sampled, nil},
		{"one that is not sampled", unsampled, provider(t, nil)},
		{"one that is recorded", sampled, provider(t, nil)},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			mux := http.NewServeMux()
			mux.HandleFunc("POST /{$}", func(_ http.ResponseWriter, r *http.Request) { r.ParseMultipartForm(1 << 10) })
			var body bytes.Buffer
			form := multipart.NewWriter(&body)
			form.WriteField("a", "b")
			form.Close()
			r := httptest.NewRequest("POST", "/", &body)
			r.Header.Set("Content-Type", form.FormDataContentType())
			r.Header.Set(traceparent, tt.header)
			httpmw.New(httpmw.Config{TracerProvider: tt.tp}).Wrap(mux).ServeHTTP(httptest.NewRecorder(), r)
			if r.MultipartForm == nil || r.Form.Get("a") != "b" || r.PostForm.Get("a") != "b" || r.Pattern != "POST /{$}" {
				t.Errorf("form %v, %v, %v, pattern %q", r.MultipartForm, r.Form, r.PostForm, r.Pattern)
			}
		})
	}
}

// TestBareRequest serves what no server would make, but a test of a handler may.
func TestBareRequest(t *testing.T) {
	eachProvider(t, func(t *testing.T, tp trace.TracerProvider, spans ends) {
		httpmw.New(httpmw.Config{TracerProvider: tp}).Wrap(http.HandlerFunc(okHandler)).ServeHTTP(httptest.NewRecorder(), new(http.Request))
		checkAttrs(t, attrs(spans.one(t)), map[string]string{"http.request.method": "GET", "http.response.status_code": "200"})
	})
}

func TestNoBodyStaysNoBody(t *testing.T) {
	for _, body := range []io.ReadCloser{nil, http.NoBody} {
		r := httptest.NewRequest("POST", "/", nil)
		r.Body, r.ContentLength = body, -1
		httpmw.New(httpmw.Config{TracerProvider: provider(t, nil)}).Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if r.Body != body {
				t.Errorf("%T became %T", body, r.Body)
			}
		})).ServeHTTP(httptest.NewRecorder(), r)
	}
}
