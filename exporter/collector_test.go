package exporter_test

// A collector for the tests, and spans to send to it.

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"github.com/meshtrace/meshtrace/exporter"
	"github.com/meshtrace/meshtrace/internal/sdkseam"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A collector keeps the spans that it is sent, decoded by somebody else's decoder. It is an
// [http.Handler] for real connections, and an [http.RoundTripper] to stand in for them.
type collector struct {
	// answer says what becomes of the nth request, from 1. Nil: 200.
	answer func(n int, r request) answer

	mu       sync.Mutex
	requests []request
	spans    tracetest.SpanStubs // of requests that were answered by a status of 200 to 299
}

type request struct {
	*http.Request
	at    time.Time
	body  []byte
	spans tracetest.SpanStubs
}

type answer struct {
	status int // 0: 200
	header http.Header
	body   string
	err    error           // in place of a response
	wait   <-chan struct{} // before the answer
	hang   bool            // until the client goes
}

func (c *collector) handle(r *http.Request) answer {
	req := request{Request: r, at: time.Now(), body: readBody(r)}
	req.spans = decode(r, req.body)
	c.mu.Lock()
	c.requests = append(c.requests, req)
	n := len(c.requests)
	c.mu.Unlock()
	var a answer
	if c.answer != nil {
		a = c.answer(n, req)
	}
	if a.hang {
		<-r.Context().Done()
		a.err = r.Context().Err()
	}
	if a.wait != nil {
		select {
		case <-a.wait:
		case <-r.Context().Done():
			a.err = r.Context().Err()
		}
	}
	a.status = cmp.Or(a.status, http.StatusOK)
	if a.err == nil && a.status/100 == 2 && cmp.Or(a.header.Get("Grpc-Status"), "0") == "0" {
		c.mu.Lock()
		c.spans = append(c.spans, req.spans...)
		c.mu.Unlock()
	}
	return a
}

func readBody(r *http.Request) []byte {
	defer r.Body.Close()
	var in io.Reader = r.Body
	encoding := r.Header.Get("Content-Encoding")
	if isGRPC(r) {
		in, encoding = readFrame(r.Body), r.Header.Get("Grpc-Encoding")
	}
	if encoding == "gzip" {
		unpacked, err := gzip.NewReader(in)
		if err != nil {
			panic(err)
		}
		in = unpacked
	}
	body, _ := io.ReadAll(in)
	return body
}

func isGRPC(r *http.Request) bool { return r.Header.Get("Content-Type") == "application/grpc" }

// readFrame returns the one message of a request.
func readFrame(body io.Reader) io.Reader {
	frame, err := io.ReadAll(body)
	if err == nil && (len(frame) < 5 || uint64(len(frame)-5) != uint64(binary.BigEndian.Uint32(frame[1:]))) {
		panic(fmt.Sprintf("a frame of %d bytes: %x", len(frame), frame[:min(5, len(frame))]))
	}
	return bytes.NewReader(frame[min(5, len(frame)):])
}

// decode returns the spans in a request's body, and nothing if it is broken off.
func decode(r *http.Request, body []byte) tracetest.SpanStubs {
	switch {
	case strings.HasSuffix(r.URL.Path, "/PostSpans"):
		return decodePostSpans(body)
	case r.Header.Get("Content-Type") == "application/vnd.apache.thrift.binary":
		return decodeJaeger(body)
	}
	return decodeOTLP(body)
}

func (c *collector) RoundTrip(r *http.Request) (*http.Response, error) {
	a := c.handle(r)
	if a.err != nil {
		return nil, a.err
	}
	resp := &http.Response{
		StatusCode: a.status,
		Header:     a.header,
		Body:       io.NopCloser(strings.NewReader(a.body)),
		Request:    r,
	}
	if isGRPC(r) && a.header == nil && a.status == http.StatusOK {
		resp.Header = http.Header{"Content-Type": {"application/grpc"}}
		resp.Trailer = http.Header{"Grpc-Status": {"0"}}
	}
	return resp, nil
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := c.handle(r)
	for key, values := range a.header {
		w.Header()[key] = values
	}
	if a.err == nil {
		w.WriteHeader(a.status)
		io.WriteString(w, a.body)
	}
}

func (c *collector) received() tracetest.SpanStubs {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.spans)
}

func (c *collector) asked() []request {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.requests)
}

// numbers returns how often each span has been received, by the number that it was made with.
func (c *collector) numbers() map[uint64]int {
	numbers := make(map[uint64]int)
	for _, s := range c.received() {
		id := s.SpanContext.SpanID()
		numbers[binary.BigEndian.Uint64(id[:])]++
	}
	return numbers
}

// always answers every request in the same way.
func always(a answer) func(int, request) answer {
	return func(int, request) answer { return a }
}

// inTurn answers the first requests one by one, and all later ones by 200.
func inTurn(answers ...answer) func(int, request) answer {
	return func(n int, _ request) answer {
		if n > len(answers) {
			return answer{}
		}
		return answers[n-1]
	}
}

// start returns an exporter to the collector, which is shut down after the test.
func (c *collector) start(t *testing.T, cfg exporter.Config) *exporter.Exporter {
	t.Helper()
	cfg.Transport = c
	return start(t, cfg)
}

func start(t *testing.T, cfg exporter.Config) *exporter.Exporter {
	t.Helper()
	if cfg.OnError == nil {
		cfg.OnError = func(error) {}
	}
	e, err := exporter.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		gone, cancel := context.WithCancel(context.Background())
		cancel()
		e.Shutdown(gone)
	})
	return e
}

var origin = newOrigin("service")

func newOrigin(service string) *sdkseam.Origin {
	return &sdkseam.Origin{
		Scope:    instrumentation.Scope{Name: "scope"},
		Resource: resource.NewSchemaless(attribute.String("service.name", service)),
	}
}

// newRecord returns a span whose ID is n, not 0. It takes about 100 bytes of OTLP.
func newRecord(n int) *sdkseam.Record {
	var id trace.SpanID
	binary.BigEndian.PutUint64(id[:], uint64(n))
	return &sdkseam.Record{
		Name:        "span",
		SpanContext: trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: id, TraceFlags: trace.FlagsSampled}),
		Kind:        trace.SpanKindServer,
		Start:       time.Unix(1_700_000_000, 0),
		End:         time.Unix(1_700_000_001, 0),
		Attrs:       []attribute.KeyValue{attribute.Int("n", n)},
		Origin:      origin,
	}
}

// newLargeRecord returns a span of a little more than size bytes.
func newLargeRecord(n, size int) *sdkseam.Record {
	r := newRecord(n)
	r.Attrs = []attribute.KeyValue{attribute.String("large", strings.Repeat("x", size))}
	return r
}

// consume ends the spans from first to last.
func consume(e *exporter.Exporter, first, last int) {
	for n := first; n <= last; n++ {
		e.Consume(newRecord(n))
	}
}

// checkReceived checks that the spans from first to last have been received, each once.
func (c *collector) checkReceived(t *testing.T, first, last int) {
	t.Helper()
	got := c.numbers()
	for n := first; n <= last; n++ {
		if got[uint64(n)] != 1 {
			t.Errorf("span %d was received %d times", n, got[uint64(n)])
			break // the first says enough
		}
	}
	if len(got) != last-first+1 {
		t.Errorf("received %d spans, want %d", len(got), last-first+1)
	}
}

// checkHeld checks that what an exporter says it holds is what it holds.
func checkHeld(t *testing.T, e *exporter.Exporter, spans int) {
	t.Helper()
	held := e.Held()
	if held.Spans != uint64(spans) {
		t.Errorf("%d spans are held, want %d", held.Spans, spans)
	}
	checkBalance(t, held)
}

// checkBalance checks that an exporter's accounts say what it holds.
func checkBalance(t *testing.T, held exporter.Held) {
	t.Helper()
	if held.Stats.InFlight != held.Spans {
		t.Errorf("%d spans are held, but by the accounts: %+v", held.Spans, held.Stats)
	}
	if held.Bytes != held.Counted {
		t.Errorf("%d bytes are held, %d are counted", held.Bytes, held.Counted)
	}
}

// checkStats checks the accounts of an exporter that holds nothing any more.
func checkStats(t *testing.T, e *exporter.Exporter, want exporter.Stats) {
	t.Helper()
	if got := e.Stats(); got != want {
		t.Errorf("stats are %+v, want %+v", got, want)
	}
	if want.Accepted != want.Exported+want.Dropped.Total()+want.InFlight {
		t.Errorf("%+v does not balance", want)
	}
}

func checkError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, want one with %q", parts)
		return
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q has no %q", err, part)
		}
	}
}

// errorLog is an OnError that remembers.
type errorLog struct {
	mu   sync.Mutex
	errs []string
}

func (l *errorLog) add(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.errs = append(l.errs, fmt.Sprint(err))
}

func (l *errorLog) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.errs)
}
