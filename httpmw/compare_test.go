package httpmw_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/httpmw"
)

// A behaviour is something that net/http does and that must be the same with us in between. It is
// played without us and with us, and what both ends noted is compared.
type behaviour struct {
	name string

	// protocols is 1 for HTTP/1.1 only, and 2 for HTTP/2, by TLS and in the clear. Default: both.
	protocols string

	// handler returns what serves. Default: one that answers "ok".
	handler func(s *stage) http.Handler

	// wraps says that handler puts us where it wants to have us; otherwise we are around it.
	wraps bool

	// client does what the client does. Default: GET / and note the response.
	client func(s *stage)
}

// A stage is where a behaviour is played.
type stage struct {
	*testing.T
	protocol string
	url      string
	addr     string
	client   *http.Client
	base     *http.Transport // below client
	wrap     func(http.Handler) http.Handler
	send     func(http.RoundTripper) http.RoundTripper

	mu           sync.Mutex
	server, peer []string
	log          bytes.Buffer
	running      int // handlers, and reports of their panics
	idle         *sync.Cond
	over         chan struct{} // closed when the client has done what it does
}

func newStage(wrap func(http.Handler) http.Handler, send func(http.RoundTripper) http.RoundTripper) *stage {
	s := &stage{wrap: wrap, send: send, over: make(chan struct{})}
	s.idle = sync.NewCond(&s.mu)
	return s
}

// add counts handlers.
func (s *stage) add(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running += n
	s.idle.Broadcast()
}

// noted waits for the handlers and returns what was noted.
func (s *stage) noted() noted {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.running > 0 {
		s.idle.Wait()
	}
	return noted{slices.Clone(s.server), slices.Clone(s.peer), firstLines(s.log.String())}
}

// Write takes what the server logs.
func (s *stage) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte("panic serving")) {
		defer s.add(-1)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.Write(line)
}

// count counts a handler in, and the function that it returns counts it out.
func (s *stage) count() (out func()) {
	s.add(1)
	return func() {
		if thrown := recover(); thrown != nil {
			if thrown == http.ErrAbortHandler {
				s.add(-1)
			}
			panic(thrown) // the server's report of it counts the handler out
		}
		s.add(-1)
	}
}

// noted is what both ends saw.
type noted struct{ Server, Client, Log []string }

// serverNote notes what a handler saw.
func (s *stage) serverNote(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.server = append(s.server, normal(fmt.Sprintf(format, args...)))
}

// note notes what the client saw.
func (s *stage) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.peer = append(s.peer, normal(fmt.Sprintf(format, args...)))
}

var (
	address = regexp.MustCompile(`(127\.0\.0\.1|localhost):\d+`)
	date    = regexp.MustCompile(`(?m)^Date: .*\r\n`)
	caller  = regexp.MustCompile(`from \S+ \(\S+:\d+\)`)
	pointer = regexp.MustCompile(`0x[0-9a-f]+`)
)

// normal removes what differs from run to run, and the one thing in which we show: net/http names
// the function that made a superfluous call, and finds us.
func normal(text string) string {
	text = address.ReplaceAllString(text, "ADDRESS")
	text = date.ReplaceAllString(text, "")
	text = caller.ReplaceAllString(text, "from SOMEWHERE")
	return pointer.ReplaceAllString(text, "POINTER")
}

// response notes all of a response, or the error.
func (s *stage) response(resp *http.Response, err error) {
	if err != nil {
		s.note("error %v", err)
		return
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	s.note("%s %s, length %d, encoding %v, uncompressed %v, close %v", resp.Proto, resp.Status, resp.ContentLength, resp.TransferEncoding, resp.Uncompressed, resp.Close)
	s.note("header %v", headers(resp.Header))
	s.note("body %d %q, error %v", len(body), short(body), err)
	s.note("trailer %v", headers(resp.Trailer))
}

// headers returns a header without what differs from run to run, and the one thing that we add.
func headers(h http.Header) (lines []string) {
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if name != "Date" && name != traceparent {
			lines = append(lines, fmt.Sprintf("%s: %q", name, h[name]))
		}
	}
	return lines
}

func short(body []byte) []byte { return body[:min(len(body), 200)] }

// get sends a GET request and notes the response.
func (s *stage) get(path string, header ...string) {
	s.response(s.client.Do(request(s.T, "GET", s.url+path, header...)))
}

// post sends a body and notes the response.
func (s *stage) post(path string, body io.Reader) {
	s.response(s.client.Post(s.url+path, "text/plain", body))
}

// raw sends bytes over a connection of its own and notes all that comes back.
func (s *stage) raw(text string) {
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	io.WriteString(conn, text)
	got, err := io.ReadAll(conn)
	s.note("%s, error %v", got, err)
}

// arrangements are the ways in which we are in between.
var arrangements = []struct {
	name     string
	provider func(testing.TB) trace.TracerProvider
}{
	{"ours", func(t testing.TB) trace.TracerProvider { tp, _ := ours(t, nil); return tp }},
	{"official SDK", func(t testing.TB) trace.TracerProvider { tp, _ := official(t, nil); return tp }},
	{"no provider", func(testing.TB) trace.TracerProvider { return nil }},
}

// play plays a behaviour and returns what was noted.
func (b behaviour) play(t *testing.T, prepare func(*httptest.Server), s *stage) noted {
	s.T = t
	handler := http.Handler(http.HandlerFunc(okHandler))
	if b.handler != nil {
		handler = b.handler(s)
	}
	if !b.wraps {
		handler = s.wrap(handler)
	}
	server := serve(t, prepare, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer s.count()()
		handler.ServeHTTP(w, r)
	}), log.New(s, "", 0))
	s.url, s.addr = server.URL, server.Listener.Addr().String()
	s.client = server.Client()
	s.base = s.client.Transport.(*http.Transport)
	s.client.Transport = s.send(s.base)
	if b.client != nil {
		b.client(s)
	} else {
		s.get("/")
	}
	s.client.CloseIdleConnections()
	s.base.CloseIdleConnections()
	close(s.over)
	got := s.noted()
	server.Close()
	return got
}

// firstLines returns the log without the stacks of panics, and without what a server has to say
// of handshakes, which differs with when it was closed.
func firstLines(text string) (lines []string) {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "http") && !strings.Contains(line, "handshake") {
			lines = append(lines, normal(line))
		}
	}
	return lines
}

// compare plays behaviours by every protocol they know, with every arrangement.
func compare(t *testing.T, behaviours []behaviour, between func(tp trace.TracerProvider) *stage) {
	for _, b := range behaviours {
		t.Run(b.name, func(t *testing.T) {
			for _, p := range protocols {
				if b.protocols != "" && b.protocols != p.version {
					continue
				}
				t.Run(p.name, func(t *testing.T) {
					bare := newStage(handlerAsIs, transportAsIs)
					bare.protocol = p.name
					want := b.play(t, p.prepare, bare)
					if len(want.Client)+len(want.Server) == 0 {
						t.Fatal("nothing was noted")
					}
					for _, a := range arrangements {
						t.Run(a.name, func(t *testing.T) {
							s := between(a.provider(t))
							s.protocol = p.name
							if diff := cmp.Diff(want, b.play(t, p.prepare, s)); diff != "" {
								t.Errorf("without us -, with us +\n%s", diff)
							}
						})
					}
				})
			}
		})
	}
}

func handlerAsIs(h http.Handler) http.Handler              { return h }
func transportAsIs(rt http.RoundTripper) http.RoundTripper { return rt }

// withServer puts us around the handler.
func withServer(tp trace.TracerProvider) *stage {
	return newStage(httpmw.New(httpmw.Config{TracerProvider: tp, Propagator: w3c}).Wrap, transportAsIs)
}

// withClient puts us around the transport.
func withClient(tp trace.TracerProvider) *stage {
	return newStage(handlerAsIs, func(rt http.RoundTripper) http.RoundTripper {
		return httpmw.NewTransport(rt, httpmw.ClientConfig{TracerProvider: tp})
	})
}

var background = context.Background()
