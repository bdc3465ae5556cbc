package httpmw_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/httpmw"
)

type failure struct{ code int }

// TestServerPanic describes a panic, and lets it go on. It is long because of its table.
func TestServerPanic(t *testing.T) {
	sentinel := &failure{1}
	for _, tt := range []struct {
		rule    string
		value   any
		before  func(http.ResponseWriter)
		failed  bool
		attrs   map[string]string
		message string // of the exception event, if there is one
	}{
		{
			rule: "a panic is an error, and 500 if nothing was sent", value: "boom", failed: true, message: "boom",
			attrs: map[string]string{"http.response.status_code": "500", "error.type": "string"},
		},
		{
			rule: "an error's type is its Go type", value: failure{2}, failed: true, message: "failure 2",
			attrs: map[string]string{"error.type": "github.com/meshtrace/meshtrace/httpmw_test.failure"},
		},
		{
			rule: "the value goes on as it is", value: sentinel, failed: true, message: "failure 1",
			attrs: map[string]string{"error.type": "*httpmw_test.failure"},
		},
		{
			rule: "a status that was sent stays", value: "boom", failed: true, message: "boom",
			before: func(w http.ResponseWriter) { w.WriteHeader(202) },
			attrs:  map[string]string{"http.response.status_code": "202"},
		},
		{
			rule: "ErrAbortHandler is an abort", value: http.ErrAbortHandler,
			attrs: map[string]string{"http.response.status_code": "", "error.type": "aborted"},
		},
		{
			rule: "also after the header", value: http.ErrAbortHandler,
			before: func(w http.ResponseWriter) { w.WriteHeader(200) },
			attrs:  map[string]string{"http.response.status_code": "200", "error.type": "aborted"},
		},
		{
			rule: "a value that cannot be compared", value: []string{"x"}, failed: true, message: "[x]",
			attrs: map[string]string{"error.type": "[]string"},
		},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			eachProvider(t, func(t *testing.T, tp trace.TracerProvider, spans ends) {
				h := httpmw.New(httpmw.Config{TracerProvider: tp}).Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					if tt.before != nil {
						tt.before(w)
					}
					panic(tt.value)
				}))
				func() {
					defer func() {
						if got := recover(); !cmp.Equal(got, tt.value, cmp.AllowUnexported(failure{}), cmp.Comparer(func(a, b error) bool { return a == b })) {
							t.Errorf("panicked on with %v, want %v", got, tt.value)
						}
					}()
					h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
				}()
				got := spans.one(t)
				if failed := got.Status().Code == codes.Error; failed != tt.failed {
					t.Errorf("status %v", got.Status())
				}
				checkAttrs(t, attrs(got), tt.attrs)
				var messages []string
				for _, e := range got.Events() {
					a := texts(e.Attributes)
					messages = append(messages, a["exception.message"])
					if e.Name != "exception" || !strings.Contains(a["exception.stacktrace"], "TestServerPanic") {
						t.Errorf("event %q with the stack %q", e.Name, a["exception.stacktrace"])
					}
				}
				if want := strings.Fields(tt.message); tt.message == "" && len(messages) > 0 || tt.message != "" && !cmp.Equal(messages, []string{tt.message}) {
					t.Errorf("exceptions %q, want %q", messages, want)
				}
			})
		})
	}
}

// TestConfigPanics has the user's own functions panic when the handler has returned, and when it
// has panicked.
func TestConfigPanics(t *testing.T) {
	for rule, handler := range map[string]http.HandlerFunc{
		"the handler returns": okHandler,
		"the handler panics":  func(http.ResponseWriter, *http.Request) { panic("handler") },
	} {
		t.Run(rule, func(t *testing.T) {
			eachProvider(t, func(t *testing.T, tp trace.TracerProvider, spans ends) {
				mp, measured := newMetrics(t)
				h := httpmw.New(httpmw.Config{TracerProvider: tp, MeterProvider: mp, Attributes: func(*http.Request) []attribute.KeyValue { panic("boom") }})
				func() {
					defer func() {
						if got := recover(); got != "boom" {
							t.Errorf("panicked on with %v", got)
						}
					}()
					h.Wrap(handler).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
				}()
				spans.one(t)
				if active := measured.all()["http.server.active_requests"].Data.(metricdata.Sum[int64]).DataPoints; active[0].Value != 0 {
					t.Errorf("active at the end: %v", active)
				}
			})
		})
	}
}

func TestGoexitIsAnAbort(t *testing.T) {
	eachProvider(t, func(t *testing.T, tp trace.TracerProvider, spans ends) {
		h := httpmw.New(httpmw.Config{TracerProvider: tp}).Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			runtime.Goexit()
		}))
		done := make(chan struct{})
		go func() {
			defer close(done)
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
		}()
		<-done
		checkAttrs(t, attrs(spans.one(t)), map[string]string{"error.type": "aborted", "http.response.status_code": ""})
	})
}

func TestClientGone(t *testing.T) {
	for _, tt := range []struct {
		rule   string
		before func(w http.ResponseWriter)
		after  func(w http.ResponseWriter)
		failed bool
		attrs  map[string]string
	}{
		{
			rule:  "a client that goes is no error of ours",
			attrs: map[string]string{"error.type": "cancelled"},
		},
		{
			rule:  "nor is what the handler answers then",
			after: func(w http.ResponseWriter) { w.WriteHeader(500) },
			attrs: map[string]string{"error.type": "cancelled", "http.response.status_code": "500"},
		},
		{
			rule:   "but what it answered before is",
			before: func(w http.ResponseWriter) { w.WriteHeader(500) },
			failed: true,
			attrs:  map[string]string{"error.type": "500"},
		},
		{
			rule:   "one that has the whole response may go",
			before: func(w http.ResponseWriter) { w.Header().Set("Content-Length", "2"); io.WriteString(w, "ok") },
			attrs:  map[string]string{"error.type": ""},
		},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			eachProvider(t, func(t *testing.T, tp trace.TracerProvider, spans ends) {
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				h := httpmw.New(httpmw.Config{TracerProvider: tp}).Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if tt.before != nil {
						tt.before(w)
					}
					cancel()
					<-r.Context().Done()
					if tt.after != nil {
						tt.after(w)
					}
				}))
				h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", "/", nil))
				got := spans.one(t)
				if failed := got.Status().Code == codes.Error; failed != tt.failed {
					t.Errorf("status %v", got.Status())
				}
				checkAttrs(t, attrs(got), tt.attrs)
			})
		})
	}
}

func TestHandlerTimeout(t *testing.T) {
	for _, tt := range []struct {
		rule    string
		handler http.HandlerFunc
		status  string
	}{
		{"what it writes is too late", func(w http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			for { // TimeoutHandler says so only some time after it has cancelled the context
				if _, err := io.WriteString(w, "late"); errors.Is(err, http.ErrHandlerTimeout) {
					return
				}
			}
		}, "503"},
		{"it gives up without a word", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, ""},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			eachProvider(t, func(t *testing.T, tp trace.TracerProvider, spans ends) {
				done := make(chan struct{})
				wrapped := httpmw.New(httpmw.Config{TracerProvider: tp}).Wrap(tt.handler)
				h := http.TimeoutHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					defer close(done)
					wrapped.ServeHTTP(w, r)
				}), 1, "")
				h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
				<-done
				got := spans.one(t)
				if got.Status().Code != codes.Error {
					t.Errorf("status %v", got.Status())
				}
				checkAttrs(t, attrs(got), map[string]string{"error.type": "timeout", "http.response.status_code": tt.status})
			})
		})
	}
}

// TestWriteTimeout lets the connection's time for writing run out. net/http then cancels the
// request's context, as if the client had gone.
func TestWriteTimeout(t *testing.T) {
	eachProvider(t, func(t *testing.T, tp trace.TracerProvider, spans ends) {
		done := make(chan struct{})
		wrapped := httpmw.New(httpmw.Config{TracerProvider: tp}).Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			http.NewResponseController(w).SetWriteDeadline(time.Unix(1, 0))
			w.Write(make([]byte, long))
		}))
		s := serveHTTP1(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer close(done)
			wrapped.ServeHTTP(w, r)
		}))
		if resp, err := s.Client().Get(s.URL); err == nil {
			resp.Body.Close()
		}
		<-done
		checkAttrs(t, attrs(spans.one(t)), map[string]string{"error.type": "timeout", "http.response.status_code": "200"})
	})
}

// TestHijacked has handlers that take the connection over, and what they say of it.
func TestHijacked(t *testing.T) {
	for _, tt := range []struct {
		rule    string
		upgrade string
		hide    bool // from assertions; http.ResponseController still finds it
		handler func(w http.ResponseWriter)
		status  string
	}{
		{"an upgrade is answered by 101", "echo", false, hijackAndClose, "101"},
		{"also when only http.ResponseController finds the way", "WebSocket", true, hijackAndClose, "101"},
		{"what was written first stays", "websocket", false, func(w http.ResponseWriter) { w.WriteHeader(418); hijackAndClose(w) }, "418"},
		{"without an upgrade nobody knows", "", false, hijackAndClose, ""},
		{"what is written afterwards is not sent", "", false, func(w http.ResponseWriter) {
			hijackAndClose(w)
			w.WriteHeader(500)
			io.WriteString(w, "x")
		}, ""},
		{"a WebSocket that the handler ignores", "websocket", false, func(http.ResponseWriter) {}, "200"},
		{"one that it answers", "websocket", true, func(w http.ResponseWriter) { io.WriteString(w, "no") }, "200"},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			eachProvider(t, func(t *testing.T, tp trace.TracerProvider, spans ends) {
				done := make(chan struct{})
				wrapped := httpmw.New(httpmw.Config{TracerProvider: tp}).Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					tt.handler(w)
				}))
				s := serveHTTP1(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					defer close(done)
					if tt.hide {
						w = unwrapper{plain{w}, w}
					}
					wrapped.ServeHTTP(w, r)
				}))
				r := request(t, "GET", s.URL)
				if tt.upgrade != "" {
					r = request(t, "GET", s.URL, "Connection", "Upgrade", "Upgrade", tt.upgrade)
				}
				if resp, err := s.Client().Do(r); err == nil {
					resp.Body.Close()
				}
				<-done
				checkAttrs(t, attrs(spans.one(t)), map[string]string{"http.response.status_code": tt.status, "error.type": ""})
			})
		})
	}
}

func hijackAndClose(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	conn.Close()
}

// unwrapper has no optional method, as middlewares that rely on http.ResponseController.
type unwrapper struct {
	plain
	below http.ResponseWriter
}

func (w unwrapper) Unwrap() http.ResponseWriter { return w.below }

// TestClientErrors tells errors apart by what one would do about them. It is long because of its table and the servers that it needs.
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

// TestServerHangsUp has a server drop a request, before it has answered and while it does.
func TestServerHangsUp(t *testing.T) {
	eachProtocol(t, func(t *testing.T, serve func(http.Handler) *httptest.Server) {
		s := serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/body" {
				io.WriteString(w, "part")
				w.(http.Flusher).Flush()
			}
			panic(http.ErrAbortHandler)
		}))
		for path, status := range map[string]string{"/": "", "/body": "200"} {
			tp, spans := ours(t, nil)
			resp, err := httpmw.NewTransport(s.Client().Transport, httpmw.ClientConfig{TracerProvider: tp}).RoundTrip(request(t, "GET", s.URL+path))
			if err == nil {
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
			got := spans.one(t)
			checkAttrs(t, attrs(got), map[string]string{"error.type": "reset", "http.response.status_code": status})
			if got.Status().Code != codes.Error {
				t.Errorf("%s: status %v", path, got.Status())
			}
		}
	})
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

func TestImpossibleStatus(t *testing.T) {
	eachProvider(t, func(t *testing.T, tp trace.TracerProvider, spans ends) {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
			checkAttrs(t, attrs(spans.one(t)), map[string]string{"http.response.status_code": "500"})
		}()
		httpmw.New(httpmw.Config{TracerProvider: tp}).Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(42)
		})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	})
}

// TestSwitchedWithoutBeingAsked writes 101 by net/http to a client that asked for nothing.
func TestSwitchedWithoutBeingAsked(t *testing.T) {
	eachProvider(t, func(t *testing.T, tp trace.TracerProvider, spans ends) {
		httpmw.New(httpmw.Config{TracerProvider: tp}).Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusSwitchingProtocols)
		})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
		checkAttrs(t, attrs(spans.one(t)), map[string]string{"http.response.status_code": "101"})
	})
}
