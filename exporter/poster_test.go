package exporter_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel"
	otelpropagation "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/exporter"
	"github.com/meshtrace/meshtrace/internal/seam"
)

func TestRequest(t *testing.T) {
	for _, tt := range []struct {
		rule string
		cfg  exporter.Config
		want map[string]string // "" is for what must not be there
		host string
	}{
		{
			"OTLP", exporter.Config{},
			map[string]string{"Content-Type": "application/x-protobuf", "Content-Encoding": "", "User-Agent": "meshtrace-go", "Authorization": ""}, "localhost:4318",
		},
		{
			"Jaeger", exporter.Config{Endpoint: "jaeger+http://example.com"},
			map[string]string{"Content-Type": "application/vnd.apache.thrift.binary"}, "example.com:14268",
		},
		{
			"compressed", exporter.Config{Compression: exporter.Gzip},
			map[string]string{"Content-Type": "application/x-protobuf", "Content-Encoding": "gzip"}, "localhost:4318",
		},
		{
			"user information", exporter.Config{Endpoint: "http://jane:pa%3Ass@example.com"},
			map[string]string{"Authorization": "Basic amFuZTpwYTpzcw=="}, "example.com",
		},
		{
			"headers of the settings", exporter.Config{
				Endpoint: "http://jane@example.com",
				Headers:  map[string]string{"authorization": "Bearer abc", "X-Tenant": "t", "user-agent": "me", "HOST": "other.example"},
			},
			map[string]string{"Authorization": "Bearer abc", "X-Tenant": "t", "User-Agent": "me", "Host": ""}, "other.example",
		},
		{
			"but not of the body", exporter.Config{Headers: map[string]string{"content-type": "text/plain", "Content-Encoding": "br"}},
			map[string]string{"Content-Type": "application/x-protobuf", "Content-Encoding": ""}, "localhost:4318",
		},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			var c collector
			e := c.start(t, tt.cfg)
			e.Consume(newRecord(1))
			if err := e.ForceFlush(t.Context()); err != nil {
				t.Fatal(err)
			}
			r := c.asked()[0]
			for key, want := range tt.want {
				if got := r.Header.Get(key); got != want {
					t.Errorf("%s is %q, want %q", key, got, want)
				}
			}
			if host := firstOf(r.Host, r.URL.Host); host != tt.host {
				t.Errorf("host is %q, want %q", host, tt.host)
			}
			if r.Method != http.MethodPost {
				t.Errorf("method %s", r.Method)
			}
			c.checkReceived(t, 1, 1)
		})
	}
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// Middlewares leave the exporter's requests alone, whoever calls.
func TestRequestsAreNotTraced(t *testing.T) {
	var untraced atomic.Bool
	c := &collector{answer: func(_ int, r request) answer {
		untraced.Store(seam.IsUntraced(r.Context()) && !trace.SpanContextFromContext(r.Context()).IsValid())
		return answer{}
	}}
	e := c.start(t, exporter.Config{})
	e.Consume(newRecord(1))
	if err := e.ForceFlush(trace.ContextWithSpanContext(t.Context(), newRecord(2).SpanContext)); err != nil {
		t.Error(err)
	}
	if !untraced.Load() {
		t.Error("the request's context is not marked")
	}
	carrier := otelpropagation.HeaderCarrier(c.asked()[0].Header)
	if ctx := (otelpropagation.TraceContext{}).Extract(context.Background(), carrier); trace.SpanContextFromContext(ctx).IsValid() {
		t.Error("the request has trace headers")
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	var elsewhere collector
	other := httptest.NewServer(&elsewhere)
	defer other.Close()
	c := collector{answer: always(answer{status: http.StatusTemporaryRedirect, header: http.Header{"Location": {other.URL}}})}
	server := httptest.NewServer(&c)
	defer server.Close()
	e := start(t, exporter.Config{Endpoint: server.URL, Headers: map[string]string{"X-Key": "secret"}})
	e.Consume(newRecord(1))
	checkError(t, e.Shutdown(t.Context()), "lost 1 of 1 spans: 1 rejected", "status 307")
	if n := len(elsewhere.asked()); n > 0 {
		t.Errorf("%d requests went elsewhere", n)
	}
}

func TestSecretsAreInNoError(t *testing.T) {
	refused := "127.0.0.1:1"
	for _, tt := range []struct {
		rule      string
		endpoint  string
		transport http.RoundTripper
	}{
		{"refused connection", "http://jane:secret@" + refused + "/v1/traces?key=secret", nil},
		{"unknown host", "http://jane:secret@127.0.0.1/?key=secret", failing{func(r *http.Request) error {
			return &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: r.URL.Hostname()}}
		}}},
		{"no TLS there", "https://jane:secret@" + refused + "/?key=secret", nil},
		{"error with the URL", "http://jane:secret@127.0.0.1/?key=secret", failing{func(r *http.Request) error {
			_, err := http.DefaultTransport.RoundTrip(&http.Request{Method: "BAD METHOD", URL: r.URL})
			return err
		}}},
		{"bad status", "http://jane:secret@127.0.0.1/?key=secret", &collector{answer: always(answer{status: 500})}},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			failed := make(chan error, 1)
			e := start(t, exporter.Config{
				Endpoint: tt.endpoint, Transport: tt.transport, OnError: func(err error) { failed <- err },
				Headers: map[string]string{"X-Key": "secret"}, Batch: exporter.Batch{MaxAge: time.Millisecond},
			})
			e.Consume(newRecord(1))
			reported := <-failed
			over, cancel := context.WithCancel(t.Context())
			cancel()
			for _, err := range []error{reported, e.ForceFlush(over), e.Shutdown(over)} {
				checkError(t, err, "post 1 spans to ")
				if strings.Contains(err.Error(), "secret") {
					t.Errorf("a secret is in %q", err)
				}
			}
		})
	}
}

type failing struct{ err func(*http.Request) error }

func (f failing) RoundTrip(r *http.Request) (*http.Response, error) { return nil, f.err(r) }

func TestAttemptHasATimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &collector{answer: inTurn(answer{hang: true})}
		e := c.start(t, exporter.Config{Timeout: 3 * time.Second})
		e.Consume(newRecord(1))
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second+time.Millisecond)
		defer cancel()
		checkError(t, e.ForceFlush(ctx), "no answer within 3s")
		if err := e.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		c.checkReceived(t, 1, 1)
	})
}

// endless is an answer without end.
type endless struct{ read atomic.Int64 }

func (r *endless) Read(p []byte) (int, error) { r.read.Add(int64(len(p))); return len(p), nil }
func (r *endless) Close() error               { return nil }

func TestAnswerIsCutAndQuoted(t *testing.T) {
	body := new(endless)
	e := start(t, exporter.Config{Transport: answering{func(*http.Request) *http.Response {
		return &http.Response{StatusCode: http.StatusBadRequest, Body: body}
	}}})
	e.Consume(newRecord(1))
	err := e.Shutdown(t.Context())
	checkError(t, err, `status 400: "\x00\x00`)
	if len(err.Error()) > 500 {
		t.Errorf("the error has %d bytes", len(err.Error()))
	}
	if n := body.read.Load(); n > 128<<10 {
		t.Errorf("%d bytes were read", n)
	}
}

type answering struct {
	answer func(*http.Request) *http.Response
}

func (a answering) RoundTrip(r *http.Request) (*http.Response, error) {
	resp := a.answer(r)
	resp.Request = r
	return resp, nil
}

// idler is somebody's transport, with connections that others use too.
type idler struct {
	collector
	closed atomic.Bool
}

func (i *idler) CloseIdleConnections() { i.closed.Store(true) }

func TestTransportOfOthersIsLeftAlone(t *testing.T) {
	i := &idler{collector: collector{answer: inTurn(answer{err: errors.New("broken")})}}
	e := start(t, exporter.Config{Transport: i})
	e.Consume(newRecord(1))
	if err := e.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if i.closed.Load() {
		t.Error("the connections of the settings' transport were closed")
	}
}

func TestTLS(t *testing.T) {
	var c collector
	server := httptest.NewUnstartedServer(&c)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // the client that does not trust it
	server.StartTLS()
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	for _, scheme := range []string{"https", "jaeger+https"} {
		e := start(t, exporter.Config{
			Endpoint: scheme + strings.TrimPrefix(server.URL, "https"),
			TLS:      &tls.Config{RootCAs: roots},
		})
		e.Consume(newRecord(1))
		if err := e.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}
	for _, r := range c.asked() {
		if r.TLS == nil || len(r.spans) != 1 {
			t.Errorf("request of %d spans, TLS %v", len(r.spans), r.TLS != nil)
		}
	}
	failed := make(chan error, 1)
	strange := start(t, exporter.Config{
		Endpoint: server.URL, Batch: exporter.Batch{MaxAge: time.Millisecond},
		OnError: func(err error) { failed <- err },
	})
	strange.Consume(newRecord(1))
	checkError(t, <-failed, "certificate")
}

// The default transport is a user's too: it may be one that traces.
func TestDefaultTransportIsNotUsed(t *testing.T) {
	var c collector
	server := httptest.NewServer(&c)
	defer server.Close()
	before := http.DefaultTransport
	http.DefaultTransport = failing{func(*http.Request) error { return errors.New("must not be used") }}
	defer func() { http.DefaultTransport = before }()
	e := start(t, exporter.Config{Endpoint: server.URL})
	e.Consume(newRecord(1))
	if err := e.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestOnErrorIsOpenTelemetrysByDefault(t *testing.T) {
	handled := make(chan error, 1)
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { handled <- err }))
	defer otel.SetErrorHandler(otel.ErrorHandlerFunc(func(error) {}))
	c := &collector{answer: always(answer{status: 400})}
	e, err := exporter.New(exporter.Config{Transport: c})
	if err != nil {
		t.Fatal(err)
	}
	e.Consume(newRecord(1))
	checkError(t, e.ForceFlush(t.Context()), "status 400")
	checkError(t, <-handled, "status 400")
	e.Shutdown(t.Context())
}
