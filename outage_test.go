package meshtrace_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/meshtrace/meshtrace"
	"github.com/meshtrace/meshtrace/exporter"
	"github.com/meshtrace/meshtrace/httpmw"
)

// misfortune is what can become of a collector. Each returns its address, and what happens to it
// when half of the requests have been served.
var misfortunes = map[string]func(*testing.T) (endpoint string, halfway func()){
	"down from the start": func(t *testing.T) (string, func()) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		return "http://" + l.Addr().String(), func() {}
	},
	"killed in the middle": func(t *testing.T) (string, func()) {
		server := collectorThat(t, func(w http.ResponseWriter, r *http.Request) {})
		return server.URL, func() {
			server.Listener.Close()
			server.CloseClientConnections()
		}
	},
	"answers 503": func(t *testing.T) (string, func()) {
		return collectorThat(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(503) }).URL, func() {}
	},
	"answers 400": func(t *testing.T) (string, func()) {
		return collectorThat(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(400) }).URL, func() {}
	},
	"answers nonsense": func(t *testing.T) (string, func()) {
		return collectorThat(t, func(w http.ResponseWriter, r *http.Request) {
			if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
				io.WriteString(conn, "\x00\xff nonsense\r\n\r\n")
				conn.Close()
			}
		}).URL, func() {}
	},
	"hangs": func(t *testing.T) (string, func()) {
		return collectorThat(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }).URL, func() {}
	},
}

func collectorThat(t *testing.T, answers http.HandlerFunc) *httptest.Server {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		answers(w, r)
	}))
	t.Cleanup(server.Close)
	return server
}

// A service must not notice what becomes of its collector: it answers every request, none of which
// waits; it holds no more memory than it may; and it knows of every span what became of it.
func TestNoCollectorHarmsTheService(t *testing.T) {
	const (
		goroutines, each = 8, 250
		requests         = goroutines * each
		maxBytes         = 128 << 10 // some 200 spans: a tenth of them
	)
	for what, collector := range misfortunes {
		t.Run(what, func(t *testing.T) {
			clearEnv(t)
			endpoint, halfway := collector(t)
			tracing, err := meshtrace.Start(t.Context(), meshtrace.Config{
				Endpoint:  endpoint,
				Timeout:   time.Hour, // so that nothing but its context ends Shutdown
				Batch:     exporter.Batch{MaxBytes: 16 << 10},
				Queue:     exporter.Queue{MaxBytes: maxBytes},
				NoGlobals: true,
				OnError:   func(error) {},
			})
			if err != nil {
				t.Fatal(err)
			}
			handler := httpmw.New(httpmw.Config{TracerProvider: tracing.TracerProvider()}).Wrap(
				http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") }))
			serve := func() { // that it comes to an end while the collector hangs shows that nobody waits
				var wg sync.WaitGroup
				for range goroutines {
					wg.Go(func() {
						for range each / 2 {
							w := httptest.NewRecorder()
							if handler.ServeHTTP(w, httptest.NewRequest("GET", "/", nil)); w.Body.String() != "hello" {
								t.Errorf("answered %q", w.Body)
							}
						}
					})
				}
				wg.Wait()
			}
			serve()
			halfway()
			serve()

			before := tracing.Stats()
			if before.Started != requests || before.InFlight > requests || before.InFlight*300 > maxBytes { // a span takes more
				t.Errorf("after %d requests: %+v", requests, before)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			err = tracing.Shutdown(ctx)
			after := tracing.Stats()
			lost := after.Dropped.Total()
			if after.Started != requests || after.InFlight != 0 || after.Exported+lost != requests || lost == 0 {
				t.Errorf("in the end: %+v", after)
			}
			if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("lost %d of %d spans", lost, requests)) {
				t.Errorf("%d spans lost, and Shutdown says: %v", lost, err)
			}
		})
	}
}
