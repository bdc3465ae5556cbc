package httpmw_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/httpmw"
)

// optional are the interfaces that a handler may ask a ResponseWriter for.
var optional = []struct {
	name string
	has  func(w any) bool
}{
	{"Flush", has[http.Flusher]},
	{"FlushError", has[interface{ FlushError() error }]},
	{"Hijack", has[http.Hijacker]},
	{"Push", has[http.Pusher]},
	{"ReadFrom", has[io.ReaderFrom]},
	{"WriteString", has[io.StringWriter]},
	{"CloseNotify", has[interface{ CloseNotify() <-chan bool }]},
	{"SetReadDeadline", has[interface{ SetReadDeadline(time.Time) error }]},
	{"SetWriteDeadline", has[interface{ SetWriteDeadline(time.Time) error }]},
	{"EnableFullDuplex", has[interface{ EnableFullDuplex() error }]},
	{"Deadline", has[interface{ Deadline() (time.Time, bool) }]}, // a context's, not a writer's
}

func has[T any](w any) bool { _, ok := w.(T); return ok }

func capabilities(w any) (names []string) {
	for _, o := range optional {
		if o.has(w) {
			names = append(names, o.name)
		}
	}
	return names
}

// The optional methods, one type each, to put writers together from.
type (
	plain      struct{ w http.ResponseWriter }
	flusher    struct{ called *[]string }
	flushErr   struct{ called *[]string }
	hijacker   struct{ called *[]string }
	pusher     struct{ called *[]string }
	readerFrom struct{ called *[]string }
	stringer   struct{ called *[]string }
	notifier   struct{ called *[]string }
)

var errTest = errors.New("from below")

func (p plain) Header() http.Header         { return p.w.Header() }
func (p plain) Write(b []byte) (int, error) { return p.w.Write(b) }
func (p plain) WriteHeader(code int)        { p.w.WriteHeader(code) }
func (c flusher) Flush()                    { *c.called = append(*c.called, "Flush") }
func (c flushErr) FlushError() error        { *c.called = append(*c.called, "FlushError"); return errTest }
func (c notifier) CloseNotify() <-chan bool { *c.called = append(*c.called, "CloseNotify"); return nil }
func (c pusher) Push(string, *http.PushOptions) error {
	*c.called = append(*c.called, "Push")
	return errTest
}
func (c hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	*c.called = append(*c.called, "Hijack")
	return nil, nil, errTest
}
func (c readerFrom) ReadFrom(io.Reader) (int64, error) {
	*c.called = append(*c.called, "ReadFrom")
	return 3, errTest
}
func (c stringer) WriteString(string) (int, error) {
	*c.called = append(*c.called, "WriteString")
	return 3, errTest
}

// call calls every optional method that w has, and returns what it learned.
func call(w http.ResponseWriter) (results []any) {
	if f, ok := w.(http.Flusher); ok {
		f.Flush()
	}
	if f, ok := w.(interface{ FlushError() error }); ok {
		results = append(results, f.FlushError())
	}
	if h, ok := w.(http.Hijacker); ok {
		_, _, err := h.Hijack()
		results = append(results, err)
	}
	if p, ok := w.(http.Pusher); ok {
		results = append(results, p.Push("/", nil))
	}
	if r, ok := w.(io.ReaderFrom); ok {
		n, err := r.ReadFrom(nil)
		results = append(results, n, err)
	}
	if s, ok := w.(io.StringWriter); ok {
		n, err := s.WriteString("abc")
		results = append(results, n, err)
	}
	if n, ok := w.(interface{ CloseNotify() <-chan bool }); ok {
		results = append(results, n.CloseNotify())
	}
	rc := http.NewResponseController(w)
	_, _, hijack := rc.Hijack()
	for _, err := range []error{rc.Flush(), hijack, rc.EnableFullDuplex(), rc.SetReadDeadline(time.Time{}), rc.SetWriteDeadline(time.Time{})} {
		results = append(results, errors.Is(err, http.ErrNotSupported), errors.Is(err, errTest))
	}
	return results
}

// TestCapabilities gives a handler what the writer below can do, and nothing else. It is long because each kind of writer is spelt out.
func TestCapabilities(t *testing.T) {
	var c []string
	w := plain{httptest.NewRecorder()}
	f, fe, h, p, rf, s, n := flusher{&c}, flushErr{&c}, hijacker{&c}, pusher{&c}, readerFrom{&c}, stringer{&c}, notifier{&c}
	for _, tt := range []struct {
		name string
		w    http.ResponseWriter
		kept bool // exactly; otherwise it may only lose some, and Unwrap finds them
	}{
		{"none", w, true},
		{"net/http's for HTTP/1", struct {
			plain
			flusher
			flushErr
			hijacker
			readerFrom
			stringer
			notifier
		}{w, f, fe, h, rf, s, n}, true},
		{"net/http's for HTTP/2", struct {
			plain
			flusher
			flushErr
			pusher
			stringer
			notifier
		}{w, f, fe, p, s, n}, true},
		{"Flusher", struct {
			plain
			flusher
		}{w, f}, true},
		{"Flusher and FlushError", struct {
			plain
			flusher
			flushErr
		}{w, f, fe}, true},
		{"Flusher and Hijacker", struct {
			plain
			flusher
			hijacker
		}{w, f, h}, true},
		{"Flusher and StringWriter", struct {
			plain
			flusher
			stringer
		}{w, f, s}, true},
		{"Pusher", struct {
			plain
			pusher
		}{w, p}, true},
		{"Hijacker", struct {
			plain
			hijacker
		}{w, h}, false},
		{"ReaderFrom", struct {
			plain
			readerFrom
		}{w, rf}, false},
		{"StringWriter", struct {
			plain
			stringer
		}{w, s}, false},
		{"FlushError", struct {
			plain
			flushErr
		}{w, fe}, false},
		{"Flusher, Hijacker and Pusher", struct {
			plain
			flusher
			hijacker
			pusher
		}{w, f, h, p}, false},
		{"Flusher, FlushError and Hijacker", struct {
			plain
			flusher
			flushErr
			hijacker
		}{w, f, fe, h}, true},
		{"Flusher, Hijacker and ReaderFrom", struct {
			plain
			flusher
			hijacker
			readerFrom
		}{w, f, h, rf}, true},
		{"HTTP/1's without ReaderFrom", struct {
			plain
			flusher
			flushErr
			hijacker
			stringer
			notifier
		}{w, f, fe, h, s, n}, false},
		{"all", struct {
			plain
			flusher
			flushErr
			hijacker
			pusher
			readerFrom
			stringer
			notifier
		}{w, f, fe, h, p, rf, s, n}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			eachProvider(t, func(t *testing.T, tp trace.TracerProvider, spans ends) {
				httpmw.New(httpmw.Config{TracerProvider: tp}).Wrap(http.HandlerFunc(func(got http.ResponseWriter, _ *http.Request) {
					if got == tt.w {
						t.Fatal("not observed")
					}
					below, above := capabilities(tt.w), capabilities(got)
					if tt.kept && !cmp.Equal(below, above) {
						t.Errorf("has %v, the writer below %v", above, below)
					}
					for _, name := range above {
						if !contains(below, name) {
							t.Errorf("%s is invented", name)
						}
					}
					c = nil
					want, wantCalls := call(tt.w), c
					c = nil
					results, calls := call(got), c
					if tt.kept && !cmp.Equal(results, want, cmp.Comparer(func(a, b error) bool { return a == b })) {
						t.Errorf("calls return %v, below %v", results, want)
					}
					if tt.kept && !cmp.Equal(calls, wantCalls) {
						t.Errorf("called %v, below %v", calls, wantCalls)
					}
					if ten := results[len(results)-10:]; !cmp.Equal(ten, want[len(want)-10:]) {
						t.Errorf("http.ResponseController finds %v, below %v", ten, want[len(want)-10:])
					}
				})).ServeHTTP(tt.w, httptest.NewRequest("GET", "/", nil))
			})
		})
	}
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// TestCapabilitiesOfNetHTTP compares with what the servers of the Go release in use really have.
func TestCapabilitiesOfNetHTTP(t *testing.T) {
	eachProtocol(t, func(t *testing.T, serve func(http.Handler) *httptest.Server) {
		for _, over := range []struct {
			name string
			wrap func(http.Handler) http.Handler
		}{
			{"server", func(h http.Handler) http.Handler { return h }},
			{"http.TimeoutHandler", func(h http.Handler) http.Handler { return http.TimeoutHandler(h, time.Hour, "") }},
			{"ourselves", httpmw.New(httpmw.Config{TracerProvider: provider(t, nil)}).Wrap},
		} {
			t.Run(over.name, func(t *testing.T) {
				var below, above []string
				wrapped := httpmw.New(httpmw.Config{TracerProvider: provider(t, nil)}).Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					above = capabilities(w)
				}))
				s := serve(over.wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					below = capabilities(w)
					wrapped.ServeHTTP(w, r)
				})))
				get(t, s.Client(), request(t, "GET", s.URL))
				direct := []string{"SetReadDeadline", "SetWriteDeadline", "EnableFullDuplex"} // reached through Unwrap
				for _, name := range below {
					if !contains(above, name) && !contains(direct, name) {
						t.Errorf("%s is lost", name)
					}
				}
				for _, name := range above {
					if !contains(below, name) {
						t.Errorf("%s is invented", name)
					}
				}
			})
		}
	})
}
