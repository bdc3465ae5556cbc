package exporter_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/meshtrace/meshtrace/exporter"
)

func TestFlushWaitsForWhatWasTakenBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, later := make(chan struct{}), make(chan struct{})
		c := &collector{answer: func(n int, _ request) answer {
			if n == 1 {
				return answer{wait: first}
			}
			return answer{wait: later}
		}}
		e := c.start(t, exporter.Config{Timeout: time.Hour})
		consume(e, 1, 10)
		flushed := make(chan error, 1)
		go func() { flushed <- e.ForceFlush(context.Background()) }()
		synctest.Wait()
		consume(e, 11, 20)
		time.Sleep(time.Minute)
		select {
		case <-flushed:
			t.Fatal("ForceFlush did not wait for the answer")
		default:
		}
		close(first)
		synctest.Wait()
		select {
		case err := <-flushed:
			if err != nil {
				t.Error(err)
			}
		default:
			t.Error("ForceFlush waits for spans that came after it")
		}
		checkHeld(t, e, 10)
		close(later)
	})
}

func TestFlushOfNothingReturnsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &collector{}
		e := c.start(t, exporter.Config{})
		began := time.Now()
		if err := e.ForceFlush(t.Context()); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > 0 || len(c.asked()) > 0 {
			t.Errorf("it took %v and %d requests", took, len(c.asked()))
		}
	})
}

func TestFlushesAtTheSameTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &collector{answer: func(int, request) answer { time.Sleep(time.Second); return answer{} }}
		e := c.start(t, exporter.Config{})
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				consume(e, 10*i+1, 10*i+10)
				if err := e.ForceFlush(t.Context()); err != nil {
					t.Error(err)
				}
				got := c.numbers()
				for n := 10*i + 1; n <= 10*i+10; n++ {
					if got[uint64(n)] != 1 {
						t.Errorf("span %d was received %d times when its flush returned", n, got[uint64(n)])
					}
				}
			})
		}
		wg.Wait()
	})
}

func TestFlushEndsWithItsContext(t *testing.T) {
	for _, tt := range []struct {
		rule  string
		limit time.Duration // 0: none
		took  time.Duration
	}{
		{"at its deadline", 3 * time.Second, 3 * time.Second},
		{"after Config.Timeout if it has none", 0, 10 * time.Second},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &collector{answer: always(answer{hang: true})}
				e := c.start(t, exporter.Config{Timeout: 10 * time.Second})
				consume(e, 1, 6)
				time.Sleep(2 * time.Second) // to the middle of a post
				ctx := context.Background()
				if tt.limit > 0 {
					bounded, cancel := context.WithTimeout(ctx, tt.limit)
					defer cancel()
					ctx = bounded
				}
				e.Consume(newRecord(7))
				began := time.Now()
				err := e.ForceFlush(ctx)
				checkError(t, err, "exporter: flush: context deadline exceeded", "7 spans are held")
				if took := time.Since(began); took != tt.took || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("after %v: %v", took, err)
				}
				consume(e, 8, 1000) // so that something goes on
				synctest.Wait()
				if n := e.Held().Flushes; n > 0 {
					t.Errorf("%d flushes wait, though nobody waits for them", n)
				}
			})
		})
	}
}

func TestFlushDoesNotWaitForTheNextTry(t *testing.T) {
	for _, tt := range []struct {
		rule   string
		answer answer
		waits  bool
	}{
		{"of our own accord", answer{status: 503}, false},
		{"unless the server has asked for it", answer{status: 503, header: map[string][]string{"Retry-After": {"20"}}}, true},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &collector{answer: inTurn(tt.answer)}
				e := c.start(t, exporter.Config{Retry: exporter.Retry{Initial: 20 * time.Second}, Timeout: time.Hour})
				e.Consume(newRecord(1))
				time.Sleep(time.Second)
				synctest.Wait()
				if n := len(c.asked()); n != 1 {
					t.Fatalf("%d requests", n)
				}
				began := time.Now()
				if err := e.ForceFlush(t.Context()); err != nil {
					t.Error(err)
				}
				if waited := time.Since(began) > 0; waited != tt.waits {
					t.Errorf("ForceFlush took %v", time.Since(began))
				}
			})
		})
	}
}

// A processor that waits while the server is down drops the spans that end meanwhile.
func TestExportSpansDoesNotWaitForAServerThatIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		down.Store(true)
		c := &collector{answer: func(int, request) answer {
			if down.Load() {
				return answer{err: errors.New("connection refused")}
			}
			return answer{}
		}}
		e := c.start(t, exporter.Config{})
		began := time.Now()
		for i := range 100 {
			span := tracetest.SpanStub{SpanContext: newRecord(i + 1).SpanContext}.Snapshot()
			if err := e.ExportSpans(context.Background(), []sdkSpan{span}); err != nil {
				t.Error(err)
			}
		}
		synctest.Wait()
		if took := time.Since(began); took > 0 {
			t.Errorf("it took %v", took)
		}
		if n := len(c.asked()); n != 1 {
			t.Errorf("%d requests, without a pause", n)
		}
		checkHeld(t, e, 100)
		down.Store(false)
		time.Sleep(time.Second)
		synctest.Wait()
		c.checkReceived(t, 1, 100)
	})
}

func TestExportSpansWaitsForAServerThatIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &collector{answer: func(int, request) answer { time.Sleep(time.Second); return answer{} }}
		e := c.start(t, exporter.Config{})
		span := tracetest.SpanStub{SpanContext: newRecord(1).SpanContext}.Snapshot()
		if err := e.ExportSpans(context.Background(), []sdkSpan{span}); err != nil {
			t.Error(err)
		}
		c.checkReceived(t, 1, 1)

		ctx, cancel := context.WithTimeout(context.Background(), time.Second/2)
		defer cancel()
		span = tracetest.SpanStub{SpanContext: newRecord(2).SpanContext}.Snapshot()
		checkError(t, e.ExportSpans(ctx, []sdkSpan{span}), "deadline exceeded", "1 spans are held")
		time.Sleep(time.Second)
		synctest.Wait()
		c.checkReceived(t, 1, 2) // all the same
	})
}

func TestExportSpansSaysWhatWasDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &collector{answer: always(answer{status: 400, body: "no such tenant"})}
		e := c.start(t, exporter.Config{})
		span := tracetest.SpanStub{SpanContext: newRecord(1).SpanContext}.Snapshot()
		checkError(t, e.ExportSpans(context.Background(), []sdkSpan{span}), "1 spans were dropped", `status 400: "no such tenant"`)
	})
}
