package exporter_test

// Over real connections: servers that are down, die, answer nonsense, or nothing.

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/meshtrace/meshtrace/exporter"
)

// quickly tries again at once, so that no test has to wait for long.
var quickly = exporter.Retry{Initial: time.Millisecond, Max: 5 * time.Millisecond}

// serve starts c as a server on the address, which is free.
func (c *collector) serve(t *testing.T, address string) *httptest.Server {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(c)
	server.Listener.Close()
	server.Listener = listener
	server.Start()
	return server
}

// freeAddress returns an address at which nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// checkAllReceived checks that all spans have arrived, some perhaps twice: an answer may be lost.
func checkAllReceived(t *testing.T, e *exporter.Exporter, spans int, servers ...*collector) {
	t.Helper()
	got := make(map[uint64]bool)
	for _, c := range servers {
		for n := range c.numbers() {
			got[n] = true
		}
	}
	if len(got) != spans {
		t.Errorf("received %d spans, want %d", len(got), spans)
	}
	checkStats(t, e, exporter.Stats{Accepted: uint64(spans), Exported: uint64(spans)})
}

func TestServerComesLaterThanTheService(t *testing.T) {
	address := freeAddress(t)
	failed := make(chan error, 1)
	e := start(t, exporter.Config{Endpoint: "http://" + address, Retry: quickly, OnError: func(err error) { failed <- err }})
	consume(e, 1, 3000)
	checkError(t, <-failed, "connection refused", "kept to be sent again")
	var c collector
	server := c.serve(t, address)
	defer server.Close()
	if err := e.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	checkAllReceived(t, e, 3000, &c)
}

func TestServerIsKilledInTheMiddle(t *testing.T) {
	address := freeAddress(t)
	arrived := make(chan struct{})
	var once sync.Once
	first := collector{answer: func(n int, _ request) answer {
		if n == 3 {
			once.Do(func() { close(arrived) })
			return answer{hang: true} // dies with it
		}
		return answer{}
	}}
	server := first.serve(t, address)
	e := start(t, exporter.Config{Endpoint: "http://" + address, Retry: quickly, Batch: exporter.Batch{MaxSpans: 200}})
	const goroutines, each = 3, 2000
	var wg sync.WaitGroup
	for i := range goroutines {
		wg.Go(func() {
			consume(e, i*each+1, i*each+each/2)
			<-arrived
			consume(e, i*each+each/2+1, (i+1)*each)
		})
	}
	<-arrived
	server.Listener.Close()
	server.CloseClientConnections()
	wg.Wait()
	var second collector
	again := second.serve(t, address)
	defer again.Close()
	if err := e.ForceFlush(t.Context()); err != nil {
		t.Error(err)
	}
	checkHeld(t, e, 0)
	checkAllReceived(t, e, goroutines*each, &first, &second)
	server.Close()
}

func TestServerAnswers(t *testing.T) {
	for _, tt := range []struct {
		rule   string
		answer func(n int, r request) answer
		want   exporter.Dropped
		parts  []string
	}{
		{"503 for a while", func(n int, _ request) answer { return answer{status: map[bool]int{true: 503}[n <= 5]} }, exporter.Dropped{}, nil},
		{"503 for ever", always(answer{status: 503}), exporter.Dropped{Shutdown: 3000}, []string{"lost 3000 of 3000 spans: 3000 shutdown", "status 503"}},
		{"400", always(answer{status: 400}), exporter.Dropped{Rejected: 3000}, []string{"lost 3000 of 3000 spans: 3000 rejected", "status 400"}},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			c := &collector{answer: tt.answer}
			server := httptest.NewServer(c)
			defer server.Close()
			failed := make(chan error, 10)
			e := start(t, exporter.Config{
				Endpoint: server.URL, Retry: quickly, Batch: exporter.Batch{MaxSpans: 500},
				OnError: func(err error) { failed <- err },
			})
			consume(e, 1, 3000)
			<-failed
			ctx := t.Context()
			if tt.want.Shutdown > 0 {
				bounded, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
				defer cancel()
				ctx = bounded
			}
			if err := e.Shutdown(ctx); err != nil || tt.parts != nil {
				checkError(t, err, tt.parts...)
			}
			checkStats(t, e, exporter.Stats{Accepted: 3000, Exported: 3000 - tt.want.Total(), Dropped: tt.want})
			if got := uint64(len(c.numbers())); got != 3000-tt.want.Total() {
				t.Errorf("received %d spans", got)
			}
		})
	}
}

// listen accepts connections until the test ends, and gives each to serve.
func listen(t *testing.T, serve func(net.Conn)) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				serve(conn)
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		wg.Wait()
	})
	return listener.Addr().String()
}

func TestServerThatIsNone(t *testing.T) {
	const noAnswer = "shutdown: context deadline exceeded"
	readRequest := func(conn net.Conn) {
		if r, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			io.Copy(io.Discard, r.Body)
		}
	}
	for _, tt := range []struct {
		rule  string
		serve func(net.Conn)
		part  string // of the error
	}{
		{"garbage in place of HTTP", func(conn net.Conn) { readRequest(conn); io.WriteString(conn, "\x00\x01SSH-2.0\r\n\r\n") }, "malformed HTTP"},
		{"an end in place of an answer", readRequest, "EOF"},
		{"an end in the middle of an answer", func(conn net.Conn) { readRequest(conn); io.WriteString(conn, "HTTP/1.1 20") }, "malformed HTTP"},
		{"hanging up at once", func(net.Conn) {}, "post "},
		{"no answer", func(conn net.Conn) { io.Copy(io.Discard, conn) }, noAnswer},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			failed := make(chan error, 10)
			e := start(t, exporter.Config{
				Endpoint: "http://" + listen(t, tt.serve), Retry: quickly,
				OnError: func(err error) { failed <- err },
			})
			const spans = 20_000
			consume(e, 1, spans) // returns, though nothing is answered
			if tt.part != noAnswer {
				<-failed
			}
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			began := time.Now()
			checkError(t, e.Shutdown(ctx), "lost 20000 of 20000 spans: 20000 shutdown", tt.part)
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("Shutdown took %v", took)
			}
			checkHeld(t, e, 0)
			checkStats(t, e, exporter.Stats{Accepted: spans, Dropped: exporter.Dropped{Shutdown: spans}})
		})
	}
}

// An answer that breaks off in its body has said enough.
func TestAnswersBodyBreaksOff(t *testing.T) {
	e := start(t, exporter.Config{Endpoint: "http://" + listen(t, func(conn net.Conn) {
		if r, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			io.Copy(io.Discard, r.Body)
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of i")
		}
	})})
	consume(e, 1, 10)
	if err := e.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	checkStats(t, e, exporter.Stats{Accepted: 10, Exported: 10})
}

func TestConnectionsAreUsedAgainAndClosed(t *testing.T) {
	var c collector
	var opened, open atomic.Int64
	closed := make(chan struct{}, 100)
	server := httptest.NewUnstartedServer(&c)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			opened.Add(1)
			open.Add(1)
		case http.StateClosed:
			open.Add(-1)
			closed <- struct{}{}
		}
	}
	server.Start()
	defer server.Close()
	c.answer = always(answer{body: "a sentence, which is read to its end"})
	e := start(t, exporter.Config{Endpoint: server.URL})
	for n := 1; n <= 20; n++ {
		e.Consume(newRecord(n))
		if err := e.ForceFlush(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if n := opened.Load(); n > 2 { // on a busy machine net/http gives up one that it has not seen idle within 50 ms
		t.Errorf("%d connections for 20 requests one after another", n)
	}
	if err := e.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	for open.Load() > 0 {
		select {
		case <-closed:
		case <-time.After(time.Minute):
			t.Fatal("a connection stays open after Shutdown")
		}
	}
}

// With HTTP/2 a connection outlives the requests that time out on it, also if there is nobody
// behind it any more.
func TestConnectionIsNotTrustedAfterAFailure(t *testing.T) {
	var c collector
	var opened atomic.Int64
	c.answer = func(n int, r request) answer {
		if r.ProtoMajor != 2 {
			return answer{status: 400, body: "not HTTP/2"}
		}
		return answer{hang: n == 1}
	}
	server := httptest.NewUnstartedServer(&c)
	server.EnableHTTP2 = true
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.StartTLS()
	defer server.Close()
	tls := server.Client().Transport.(*http.Transport).TLSClientConfig
	e := start(t, exporter.Config{Endpoint: server.URL, TLS: tls, Timeout: 100 * time.Millisecond, Retry: exporter.Retry{Initial: 200 * time.Millisecond}})
	e.Consume(newRecord(1))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := e.ForceFlush(ctx); err != nil {
		t.Error(err)
	}
	if n := opened.Load(); n < 2 {
		t.Errorf("%d connection for two tries", n)
	}
	if err := e.Shutdown(ctx); err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	c.checkReceived(t, 1, 1)
}
