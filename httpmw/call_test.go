package httpmw_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/httpmw"
)

// closer is a body that fails as it is told.
type closer struct {
	io.Reader
	err error
}

// TestClientSpanEnds ends the span with the body. It is long because of its table.
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

// TestResponseGivenUp reads a response until the caller does not want it any more.
func TestResponseGivenUp(t *testing.T) {
	for _, tt := range []struct {
		rule      string
		status    int
		err       error
		errorType string
		failed    bool
	}{
		{"a success is cancelled", 200, context.Canceled, "cancelled", false},
		{"a failure stays one", 404, context.Canceled, "404", true},
		{"a success that breaks off", 200, io.ErrUnexpectedEOF, "reset", true},
		{"a failure that breaks off", 500, io.ErrUnexpectedEOF, "reset", true},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			eachProvider(t, func(t *testing.T, tp trace.TracerProvider, spans ends) {
				body := closer{iotest.ErrReader(tt.err), nil}
				resp, err := httpmw.NewTransport(respond(tt.status, body), httpmw.ClientConfig{TracerProvider: tp}).RoundTrip(request(t, "GET", "http://example.com/"))
				if err != nil {
					t.Fatal(err)
				}
				io.Copy(io.Discard, resp.Body)
				got := spans.one(t)
				if failed := got.Status().Code == codes.Error; failed != tt.failed {
					t.Errorf("status %v", got.Status())
				}
				checkAttrs(t, attrs(got), map[string]string{"error.type": tt.errorType, "http.response.status_code": strconv.Itoa(tt.status)})
			})
		})
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

// TestCallsAreNotShared ends one response more than once, and then has two under way.
func TestCallsAreNotShared(t *testing.T) {
	eachProvider(t, func(t *testing.T, tp trace.TracerProvider, spans ends) {
		rt := httpmw.NewTransport(canned{}, httpmw.ClientConfig{TracerProvider: tp})
		send := func() io.ReadCloser {
			resp, err := rt.RoundTrip(clientRequest())
			if err != nil {
				t.Fatal(err)
			}
			return resp.Body
		}
		for range 10 {
			first := send()
			io.Copy(io.Discard, first)
			first.Close()
			first.Close()
			second, third := send(), send()
			second.Close()
			third.Close()
		}
		if n := len(spans.Ended()); n != 30 {
			t.Errorf("%d spans ended, want 30", n)
		}
	})
}
