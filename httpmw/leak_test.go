package httpmw_test

import (
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/httpmw"
	"github.com/meshtrace/meshtrace/span"
)

// ended is a processor that counts, and says when it has counted.
type ended struct {
	started, ended atomic.Int64
	twice          atomic.Int64
	seen           sync.Map
	end            chan sdktrace.ReadOnlySpan
}

func (e *ended) OnStart(context.Context, sdktrace.ReadWriteSpan) { e.started.Add(1) }
func (e *ended) Shutdown(context.Context) error                  { return nil }
func (e *ended) ForceFlush(context.Context) error                { return nil }
func (e *ended) OnEnd(s sdktrace.ReadOnlySpan) {
	e.ended.Add(1)
	if _, again := e.seen.LoadOrStore(s.SpanContext().SpanID(), true); again {
		e.twice.Add(1)
	}
	if e.end != nil {
		e.end <- s
	}
}

// counting are providers whose spans are counted.
var counting = []struct {
	name string
	make func(t *testing.T, e *ended) trace.TracerProvider
}{
	{"ours", func(t *testing.T, e *ended) trace.TracerProvider {
		tp, err := span.NewProvider(span.Config{Processors: []sdktrace.SpanProcessor{e}})
		if err != nil {
			t.Fatal(err)
		}
		return tp
	}},
	{"official SDK", func(t *testing.T, e *ended) trace.TracerProvider {
		return sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(e))
	}},
}

// TestLeakedBody drops a response without closing its body. net/http itself holds on to it while
// the connection lives or the request's context does: until then nothing is garbage.
func TestLeakedBody(t *testing.T) {
	for _, protocol := range protocols {
		for _, tt := range []struct {
			rule string
			end  func(cancel func(), s *httptest.Server)
		}{
			{"until the context ends", func(cancel func(), _ *httptest.Server) { cancel() }},
			{"until the connection ends", func(_ func(), s *httptest.Server) { s.CloseClientConnections() }},
		} {
			for _, p := range counting {
				t.Run(protocol.name+"/"+tt.rule+"/"+p.name, func(t *testing.T) {
					e := &ended{end: make(chan sdktrace.ReadOnlySpan, 1)}
					s := serve(t, protocol.prepare, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						w.Write(make([]byte, 1<<20))
					}), quiet)
					rt := httpmw.NewTransport(s.Client().Transport, httpmw.ClientConfig{TracerProvider: p.make(t, e)})
					ctx, cancel := context.WithCancel(background)
					defer cancel()
					func() {
						resp, err := rt.RoundTrip(request(t, "GET", s.URL).WithContext(ctx))
						if err != nil {
							t.Fatal(err)
						}
						resp.Body.Read(make([]byte, 10))
					}()
					tt.end(cancel, s)
					checkAttrs(t, attrs(collected(t, e.end)), map[string]string{"error.type": "leaked", "http.response.status_code": "200"})
					if n := rt.Leaked(); n != 1 {
						t.Errorf("%d bodies leaked, want 1", n)
					}
				})
			}
		}
	}
}

// collected collects garbage until something comes of it.
func collected[T any](t *testing.T, from <-chan T) (got T) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); runtime.Gosched() {
		runtime.GC()
		select {
		case got = <-from:
			return got
		default:
		}
	}
	t.Fatal("it never becomes garbage")
	return got
}

// TestNoLeak reads a body to its end, and drops it.
func TestNoLeak(t *testing.T) {
	tp, _ := ours(t, nil)
	s := serveHTTP1(t, http.HandlerFunc(okHandler))
	rt := httpmw.NewTransport(s.Client().Transport, httpmw.ClientConfig{TracerProvider: tp})
	for range 100 {
		resp, err := rt.RoundTrip(request(t, "GET", s.URL))
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
	}
	for range 3 {
		runtime.GC()
	}
	if n := rt.Leaked(); n != 0 {
		t.Errorf("%d bodies leaked", n)
	}
}

// TestStreamsCancelledAtRandom has many streams open at once, and cancels them at any point of
// their lives.
func TestStreamsCancelledAtRandom(t *testing.T) {
	for _, p := range counting {
		t.Run(p.name, func(t *testing.T) {
			total := 10_000
			if testing.Short() || raceEnabled && p.name != "ours" { // somebody else's races are not ours to find
				total = 1000
			}
			var e ended
			tp := p.make(t, &e)
			var served atomic.Int64
			var serving sync.WaitGroup
			wrapped := httpmw.New(httpmw.Config{TracerProvider: tp}).Wrap(http.HandlerFunc(stream))
			prepare := func(s *httptest.Server) { // one connection takes them all: files are not without end
				s.Config.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: 2 * total}
				protocols[2].prepare(s)
			}
			s := serve(t, prepare, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodHead {
					return
				}
				served.Add(1)
				serving.Add(1)
				defer serving.Done()
				wrapped.ServeHTTP(w, r)
			}), quiet)
			if resp, err := s.Client().Head(s.URL); err != nil { // for the client to know how many it takes
				t.Fatal(err)
			} else {
				resp.Body.Close()
			}
			rt := httpmw.NewTransport(s.Client().Transport, httpmw.ClientConfig{TracerProvider: tp})
			var calls, open sync.WaitGroup
			open.Add(total)
			for range total {
				calls.Go(func() { cancelAtRandom(rt, request(t, "GET", s.URL), &open) })
			}
			calls.Wait()
			s.Client().CloseIdleConnections()
			s.CloseClientConnections()
			s.Close()
			serving.Wait()
			if n := served.Load(); n < int64(total)/2 {
				t.Errorf("only %d of %d requests were served", n, total)
			}
			if n := e.started.Load(); n != int64(total)+served.Load() {
				t.Errorf("%d spans started for %d requests, of which %d were served", n, total, served.Load())
			}
			if e.started.Load() != e.ended.Load() || e.twice.Load() != 0 {
				t.Errorf("%d spans started, %d ended, %d twice", e.started.Load(), e.ended.Load(), e.twice.Load())
			}
			if n := rt.Leaked(); n != 0 {
				t.Errorf("%d bodies leaked", n)
			}
		})
	}
}

// stream writes a little, and leaves it at that until nobody wants more. Endless streams would
// fill the clients' windows, which are megabytes.
func stream(w http.ResponseWriter, r *http.Request) {
	rc := http.NewResponseController(w)
	for range 4 {
		if _, err := w.Write(make([]byte, 1<<10)); err != nil || rc.Flush() != nil {
			return
		}
	}
	<-r.Context().Done()
}

// cancelAtRandom sends r, and gives up before, meanwhile, or somewhere in the response, but not
// before the streams of all the others are open, too.
func cancelAtRandom(rt http.RoundTripper, r *http.Request, open *sync.WaitGroup) {
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	switch rand.N(10) {
	case 0:
		cancel()
	case 1:
		time.AfterFunc(rand.N(100*time.Millisecond), cancel)
	}
	resp, err := rt.RoundTrip(r.WithContext(ctx))
	open.Done()
	open.Wait()
	if err != nil {
		return
	}
	defer resp.Body.Close()
	if rand.N(2) == 0 {
		time.AfterFunc(rand.N(100*time.Millisecond), cancel)
	}
	io.CopyN(io.Discard, resp.Body, rand.Int64N(4<<10))
}

// TestMemoryIsGivenBack checks that requests which have ended keep nothing.
func TestMemoryIsGivenBack(t *testing.T) {
	tp := provider(t, nil)
	h := httpmw.New(httpmw.Config{TracerProvider: tp}).Wrap(http.HandlerFunc(okHandler))
	rt := httpmw.NewTransport(canned{}, httpmw.ClientConfig{TracerProvider: tp, Phases: true})
	for _, tt := range []struct {
		rule string
		once func()
	}{
		{"server", func() {
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/users/1?q=x", nil))
		}},
		{"client", func() { roundTrip(rt, clientRequest()) }},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			used := func() uint64 {
				for range 10_000 {
					tt.once()
				}
				runtime.GC()
				runtime.GC()
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				return m.HeapAlloc
			}
			used() // fills pools
			const slack = 1 << 20
			if before, after := used(), used(); after > before+slack {
				t.Errorf("%d bytes after 10,000 more requests, %d before", after, before)
			}
		})
	}
}

// TestContextOutlivesTheRequest uses a request's context when the request has ended.
func TestContextOutlivesTheRequest(t *testing.T) {
	eachProvider(t, func(t *testing.T, tp trace.TracerProvider, spans ends) {
		var ctx context.Context
		var w http.ResponseWriter
		httpmw.New(httpmw.Config{TracerProvider: tp}).Wrap(http.HandlerFunc(func(kept http.ResponseWriter, r *http.Request) {
			ctx, w = context.WithoutCancel(r.Context()), kept
		})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
		parent := spans.one(t)
		_, child := tp.Tracer("test").Start(ctx, "later")
		child.End()
		httpmw.SetRoute(ctx, "/late")
		w.Write(okBody)
		if got := spans.Ended()[1].Parent(); got.SpanID() != parent.SpanContext().SpanID() {
			t.Errorf("parent %v", got)
		}
		if n := len(spans.Ended()); n != 2 {
			t.Errorf("%d spans", n)
		}
	})
}
