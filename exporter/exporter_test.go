package exporter_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/meshtrace/meshtrace/exporter"
	"github.com/meshtrace/meshtrace/internal/sdkseam"
)

type sdkSpan = sdktrace.ReadOnlySpan

func TestShutdownDelivers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c collector
		e := c.start(t, exporter.Config{})
		consume(e, 1, 5000)
		if err := e.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		c.checkReceived(t, 1, 5000)
		checkHeld(t, e, 0)
	})
}

func TestAfterShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c collector
		e := c.start(t, exporter.Config{})
		consume(e, 1, 5)
		if err := e.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		consume(e, 6, 8)
		if err := e.ForceFlush(context.Background()); err != nil {
			t.Errorf("ForceFlush: %v", err)
		}
		span := tracetest.SpanStub{SpanContext: newRecord(9).SpanContext}.Snapshot()
		if err := e.ExportSpans(context.Background(), []sdkSpan{span}); !errors.Is(err, exporter.ErrShutdown) {
			t.Errorf("ExportSpans: %v", err)
		}
		if err := e.Shutdown(context.Background()); err != nil {
			t.Errorf("a second Shutdown: %v", err)
		}
		c.checkReceived(t, 1, 5)
		checkStats(t, e, exporter.Stats{Accepted: 8, Exported: 5, Dropped: exporter.Dropped{Shutdown: 3}})
	})
}

func TestShutdownReturnsByItsDeadline(t *testing.T) {
	for _, tt := range []struct {
		rule   string
		limit  time.Duration // of the context; 0: none
		answer answer
		parts  []string
	}{
		{"while the server hangs", 200 * time.Millisecond, answer{hang: true},
			[]string{"exporter: lost 3000 of 3000 spans: 3000 shutdown", `to "http://localhost:4318/v1/traces": shutdown: context deadline exceeded`}},
		{"while it is down", 200 * time.Millisecond, answer{err: errors.New("connection refused")},
			[]string{"exporter: lost 3000 of 3000 spans: 3000 shutdown", "connection refused"}},
		{"while it asks for patience", 200 * time.Millisecond, answer{status: 429, header: map[string][]string{"Retry-After": {"9"}}},
			[]string{"exporter: lost 3000 of 3000 spans: 3000 shutdown", "status 429"}},
		{"which is Config.Timeout if it has none", 0, answer{err: errors.New("connection refused")},
			[]string{"connection refused"}},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &collector{answer: always(tt.answer)}
				e := c.start(t, exporter.Config{Timeout: 5 * time.Second})
				consume(e, 1, 3000)
				ctx, want := context.Background(), 5*time.Second
				if tt.limit > 0 {
					bounded, cancel := context.WithTimeout(ctx, tt.limit)
					defer cancel()
					ctx, want = bounded, tt.limit
				}
				began := time.Now()
				checkError(t, e.Shutdown(ctx), tt.parts...)
				if took := time.Since(began); took != want {
					t.Errorf("it took %v, want %v", took, want)
				}
				checkHeld(t, e, 0)
				checkStats(t, e, exporter.Stats{Accepted: 3000, Dropped: exporter.Dropped{Shutdown: 3000}})
			})
		})
	}
}

// The last chance is taken, whatever the pause.
func TestShutdownTriesOnceMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &collector{answer: inTurn(answer{status: 503, header: map[string][]string{"Retry-After": {"60"}}})}
		e := c.start(t, exporter.Config{})
		e.Consume(newRecord(1))
		time.Sleep(2 * time.Second)
		began := time.Now()
		if err := e.Shutdown(context.Background()); err != nil || time.Since(began) > 0 {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		c.checkReceived(t, 1, 1)
	})
}

func TestShutdownsAtTheSameTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &collector{answer: func(int, request) answer { time.Sleep(3 * time.Second); return answer{status: 400} }}
		e := c.start(t, exporter.Config{})
		consume(e, 1, 10)
		began := time.Now()
		first := make(chan error, 1)
		go func() { first <- e.Shutdown(context.Background()) }()
		synctest.Wait()

		short, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		checkError(t, e.Shutdown(short), "shutdown: context deadline exceeded")
		if took := time.Since(began); took != time.Second {
			t.Errorf("the second call took %v, its context 1s", took)
		}
		if err := e.Shutdown(context.Background()); err != nil {
			t.Errorf("a later call: %v", err)
		}
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("a later call did not wait for the first: %v", took)
		}
		checkError(t, <-first, "lost 10 of 10 spans: 10 rejected")
	})
}

// deaf is a transport that ignores contexts.
type deaf struct{ heard chan struct{} }

func (d deaf) RoundTrip(*http.Request) (*http.Response, error) {
	<-d.heard
	return nil, errors.New("broken off")
}

func TestShutdownDoesNotWaitForADeafTransport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := deaf{heard: make(chan struct{})}
		e := start(t, exporter.Config{Transport: d})
		consume(e, 1, 10)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		time.AfterFunc(500*time.Millisecond, func() { consume(e, 11, 12) })
		began := time.Now()
		checkError(t, e.Shutdown(ctx), "lost 12 of 12 spans: 12 shutdown")
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("it took %v", took)
		}
		close(d.heard)
		synctest.Wait()
		checkHeld(t, e, 0)
		checkStats(t, e, exporter.Stats{Accepted: 12, Dropped: exporter.Dropped{Shutdown: 12}})
	})
}

// Whatever the race, a span is received or counted as lost.
func TestConsumeDuringShutdown(t *testing.T) {
	for range 20 {
		var c collector
		e := c.start(t, exporter.Config{Batch: exporter.Batch{MaxSpans: 50}})
		const goroutines, each = 4, 500
		var wg sync.WaitGroup
		for i := range goroutines {
			wg.Go(func() { consume(e, i*each+1, (i+1)*each) })
		}
		var err error
		wg.Go(func() { err = e.Shutdown(context.Background()) })
		wg.Wait()
		s := e.Stats()
		if s.Accepted != goroutines*each || s.Exported != uint64(len(c.numbers())) || s.Exported+s.Dropped.Shutdown != s.Accepted {
			t.Fatalf("received %d: %+v", len(c.numbers()), s)
		}
		if s.Dropped.Shutdown == 0 && err != nil {
			t.Errorf("nothing was lost: %v", err)
		}
	}
}

func TestFlushDuringShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &collector{answer: always(answer{hang: true})}
		e := c.start(t, exporter.Config{Timeout: time.Minute})
		consume(e, 1, 10)
		flushed := make(chan error, 1)
		go func() { flushed <- e.ForceFlush(context.Background()) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		e.Shutdown(ctx)
		synctest.Wait()
		checkError(t, <-flushed, "10 spans were dropped")
	})
}

func TestExportOfNothingReturnsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &collector{answer: always(answer{hang: true})}
		e := c.start(t, exporter.Config{})
		consume(e, 1, 10)
		began := time.Now()
		if err := e.ExportSpans(context.Background(), nil); err != nil || time.Since(began) > 0 {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}

func TestConsumeDoesNotAllocate(t *testing.T) {
	var c collector
	c.answer = always(answer{status: 503})
	for name, endpoint := range map[string]string{
		"OTLP": "http://127.0.0.1", "Thrift": "jaeger+http://127.0.0.1", "gRPC": "grpc://127.0.0.1", "Jaeger's model": "jaeger+grpc://127.0.0.1",
	} {
		t.Run(name, func(t *testing.T) {
			e := c.start(t, exporter.Config{Endpoint: endpoint, Batch: exporter.Batch{MaxAge: time.Hour}})
			r := newRecord(1)
			got := testing.AllocsPerRun(100, func() { e.Consume(r) }) // 101 spans, less than a chunk
			if got > 0 {
				t.Errorf("%v allocations", got)
			}
		})
	}
}

// discard is a server that takes everything, without the allocations of one.
type discard struct{}

func (discard) RoundTrip(r *http.Request) (*http.Response, error) {
	io.Copy(io.Discard, r.Body)
	r.Body.Close()
	return &http.Response{StatusCode: http.StatusOK, Header: discarded, Body: http.NoBody}, nil
}

var discarded = http.Header{"Content-Type": {"application/grpc"}, "Grpc-Status": {"0"}}

func TestDeliveryAllocatesByTheBatch(t *testing.T) {
	const spans, perSpan = 2048, 0.1
	all := make([]*sdkseam.Record, spans)
	for i := range all {
		all[i] = newRecord(i + 1)
	}
	for _, scheme := range []string{"http", "jaeger+http", "grpc", "jaeger+grpc"} {
		t.Run(scheme, func(t *testing.T) {
			e := start(t, exporter.Config{Endpoint: scheme + "://127.0.0.1", Transport: discard{}})
			got := testing.AllocsPerRun(20, func() {
				for _, r := range all {
					e.Consume(r)
				}
				if err := e.ForceFlush(context.Background()); err != nil {
					t.Error(err)
				}
			})
			t.Logf("%v allocations to deliver %d spans", got, spans)
			if got > spans*perSpan {
				t.Errorf("%v allocations to deliver %d spans", got, spans)
			}
		})
	}
}

func BenchmarkConsume(b *testing.B) {
	for _, protocol := range []string{"http", "jaeger+http", "grpc", "jaeger+grpc"} {
		b.Run("endpoint="+protocol, func(b *testing.B) {
			e, err := exporter.New(exporter.Config{Endpoint: protocol + "://127.0.0.1", Transport: discard{}, OnError: func(error) {}})
			if err != nil {
				b.Fatal(err)
			}
			defer e.Shutdown(context.Background())
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				var spans [256]*sdkseam.Record // one for each last byte of an ID
				for i := range spans {
					spans[i] = newRecord(i + 1)
				}
				for n := 0; pb.Next(); n++ {
					e.Consume(spans[n%len(spans)])
				}
			})
		})
	}
}
