package exporter_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshtrace/meshtrace/exporter"
	"github.com/meshtrace/meshtrace/internal/sdkseam"
)

// The bound holds at every moment, whatever the spans and the server do.
func TestMemoryIsBounded(t *testing.T) {
	answers := map[string]func(int, request) answer{
		"the server hangs":           always(answer{hang: true}),
		"it is down":                 always(answer{err: errors.New("connection refused")}),
		"it takes only small bodies": func(_ int, r request) answer { return answer{status: map[bool]int{true: 413}[len(r.body) > 20_000]} },
	}
	spans := map[string]func(n int) *sdkseam.Record{
		"small":         newRecord,
		"of any size":   func(n int) *sdkseam.Record { return newLargeRecord(n, n*7919%40_000) },
		"of many kinds": func(n int) *sdkseam.Record { r := newRecord(n); r.Origin = newOrigin("service"); return r },
	}
	budgets := map[string]exporter.Config{
		"the least":   {Batch: exporter.Batch{MaxBytes: 16 << 10}, Queue: exporter.Queue{MaxBytes: 64 << 10, InFlight: 1}},
		"a mebibyte":  {Batch: exporter.Batch{MaxBytes: 128 << 10}, Queue: exporter.Queue{MaxBytes: 1 << 20}},
		"the default": {},
	}
	for server, answer := range answers {
		for kind, record := range spans {
			for name, cfg := range budgets {
				t.Run(server+", spans "+kind+", budget "+name, func(t *testing.T) {
					cfg.Retry = exporter.Retry{Initial: time.Millisecond, Max: time.Millisecond}
					checkBound(t, &collector{answer: answer}, cfg, record)
				})
			}
		}
	}
}

func checkBound(t *testing.T, c *collector, cfg exporter.Config, record func(int) *sdkseam.Record) {
	e := c.start(t, cfg)
	budget := int64(cfg.Queue.MaxBytes)
	if budget == 0 {
		budget = 32 << 20
	}
	var most atomic.Int64
	watch := func() {
		for held := e.HeldBytes(); ; {
			old := most.Load()
			if held <= old || most.CompareAndSwap(old, held) {
				return
			}
		}
	}
	const goroutines, each = 2, 500
	var wg sync.WaitGroup
	for i := range goroutines {
		wg.Go(func() {
			for n := range each {
				e.Consume(record(i*each + n + 1))
				watch()
			}
		})
	}
	wg.Wait()
	if most.Load() > budget {
		t.Errorf("%d bytes were held, of at most %d", most.Load(), budget)
	}
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	e.Shutdown(gone)
	checkHeld(t, e, 0)
	if s := e.Stats(); s.Accepted != goroutines*each || s.Exported != uint64(len(c.numbers())) {
		t.Errorf("received %d: %+v", len(c.numbers()), s)
	}
}

// With the smallest budget, too, everything arrives at a server that keeps up.
func TestLeastMemoryIsEnough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c collector
		e := c.start(t, exporter.Config{Batch: exporter.Batch{MaxBytes: 16 << 10}, Queue: exporter.Queue{MaxBytes: 64 << 10, InFlight: 1}})
		for n := 1; n <= 1000; n++ {
			e.Consume(newRecord(n))
			synctest.Wait()
		}
		for n := 1001; n <= 1010; n++ {
			e.Consume(newLargeRecord(n, 8000))
			synctest.Wait()
		}
		if err := e.ForceFlush(t.Context()); err != nil {
			t.Error(err)
		}
		c.checkReceived(t, 1, 1010)
	})
}

// A service with little to say must not lose it because each second fills a chunk for each shard
// with nearly nothing.
func TestOutageOfAQuietService(t *testing.T) {
	one, other := newOrigin("one"), newOrigin("other")
	for _, tt := range []struct {
		rule      string
		origins   []*sdkseam.Origin
		spanBytes int64 // of memory, at the most
	}{
		{"spans share chunks", []*sdkseam.Origin{one}, 200},
		{"two in one process have small ones", []*sdkseam.Origin{one, other}, 400},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var down atomic.Bool
				down.Store(true)
				c := &collector{answer: func(int, request) answer {
					if down.Load() {
						return answer{err: errors.New("connection refused")}
					}
					return answer{}
				}}
				e := c.start(t, exporter.Config{Retry: exporter.Retry{Initial: time.Hour, Max: time.Hour}})
				const spans = 2 * 3600
				for n := 1; n <= spans; n++ {
					r := newRecord(n)
					r.Origin = tt.origins[n%len(tt.origins)]
					e.Consume(r)
					time.Sleep(time.Second)
				}
				synctest.Wait()
				checkHeld(t, e, spans)
				if each := e.HeldBytes() / spans; each > tt.spanBytes {
					t.Errorf("%d bytes are held for each span, want at most %d", each, tt.spanBytes)
				}
				down.Store(false)
				if err := e.ForceFlush(t.Context()); err != nil {
					t.Error(err)
				}
				c.checkReceived(t, 1, spans)
			})
		})
	}
}

// What comes back from a failed delivery takes no more memory than it needs, either.
func TestOutageOfASlowServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var back atomic.Bool
		c := &collector{answer: func(int, request) answer {
			if back.Load() {
				return answer{}
			}
			time.Sleep(1500 * time.Millisecond)
			return answer{status: 503}
		}}
		e := c.start(t, exporter.Config{
			Queue: exporter.Queue{MaxBytes: 8 << 20},
			Retry: exporter.Retry{Initial: time.Second, Max: time.Second},
		})
		const spans = 600
		for n := 1; n <= spans; n++ {
			e.Consume(newRecord(n))
			time.Sleep(time.Second)
		}
		synctest.Wait()
		checkHeld(t, e, spans)
		back.Store(true)
		if err := e.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		c.checkReceived(t, 1, spans)
	})
}

// The parts of a chunk that was split give their memory back together, whatever comes meanwhile.
func TestPartsOfAChunk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		proceed := make(chan struct{})
		c := &collector{answer: func(n int, _ request) answer {
			switch n {
			case 1:
				return answer{status: 413}
			case 2:
				return answer{wait: proceed}
			}
			return answer{}
		}}
		e := c.start(t, exporter.Config{Queue: exporter.Queue{InFlight: 1}})
		consume(e, 1, 400)
		time.Sleep(2 * time.Second) // split, the head is under way
		checkHeld(t, e, 400)
		for n := 401; n <= 1000; n += 100 {
			consume(e, n, n+99)
			time.Sleep(time.Second)
		}
		checkHeld(t, e, 1000)
		close(proceed)
		if err := e.ForceFlush(t.Context()); err != nil {
			t.Error(err)
		}
		checkHeld(t, e, 0)
		if n := e.HeldBytes(); n != 0 {
			t.Errorf("%d bytes are held for nothing", n)
		}
		c.checkReceived(t, 1, 1000)
	})
}

func TestChunkOfFewSpansIsSmall(t *testing.T) {
	var c collector
	e := c.start(t, exporter.Config{Batch: exporter.Batch{MaxSpans: 8, MaxAge: time.Hour}})
	e.Consume(newRecord(1))
	if held := e.HeldBytes(); held > 5<<10 {
		t.Errorf("%d bytes are held for a span, where two are a chunk", held)
	}
}

func TestTooLargeSpanIsDroppedAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c collector
		e := c.start(t, exporter.Config{Batch: exporter.Batch{MaxBytes: 100_000}})
		e.Consume(newLargeRecord(1, 10<<20)) // with nothing before it
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if n := len(c.asked()); n > 0 {
			t.Errorf("%d requests for nothing", n)
		}
		consume(e, 2, 10)
		e.Consume(newLargeRecord(11, 50_000)) // a little more than half of MaxBytes
		e.Consume(newLargeRecord(12, 49_000)) // a little less
		consume(e, 13, 20)
		synctest.Wait()
		if held := e.HeldBytes(); held > 5<<20 {
			t.Errorf("%d bytes are held for 18 small spans", held)
		}
		checkError(t, e.Shutdown(context.Background()), "lost 2 of 20 spans: 2 too large")
		got := c.numbers()
		if len(got) != 18 || got[1]+got[11] > 0 || got[12] != 1 {
			t.Errorf("received %v", got)
		}
	})
}

func TestShardsFitTheBudget(t *testing.T) {
	var c collector
	for _, tt := range []struct{ maxBytes, most int }{{64 << 10, 2}, {128 << 10, 4}, {32 << 20, 1 << 10}} {
		e := c.start(t, exporter.Config{Batch: exporter.Batch{MaxBytes: 16 << 10}, Queue: exporter.Queue{MaxBytes: tt.maxBytes, InFlight: 1}})
		if n := e.Shards(); n < 1 || n > tt.most {
			t.Errorf("%d shards for %d bytes", n, tt.maxBytes)
		}
	}
}

// With a budget of one byte, one of many may have it.
func TestReservationsNeverExceedTheBudget(t *testing.T) {
	reserve, release := exporter.Budget(1)
	var reserved atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 200_000 {
				if !reserve() {
					continue
				}
				if n := reserved.Add(1); n > 1 {
					t.Errorf("%d bytes are reserved of 1", n)
				}
				reserved.Add(-1)
				release()
			}
		})
	}
	wg.Wait()
}

func TestBuffersOfUsualSizeAreKept(t *testing.T) {
	var c collector
	e := c.start(t, exporter.Config{})
	for size, want := range map[int]bool{1 << 10: false, 64 << 10: true, 80 << 10: true, 1 << 20: false} {
		if e.Keeps(size) != want {
			t.Errorf("a buffer of %d bytes is kept: %v", size, !want)
		}
	}
}
