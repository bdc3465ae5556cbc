package exporter_test

import (
	"encoding/binary"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshtrace/meshtrace/exporter"
)

func TestBatchIsSentWhenItIsFull(t *testing.T) {
	for _, tt := range []struct {
		rule  string
		batch exporter.Batch
		spans int // that surely fill a shard
	}{
		{"of spans", exporter.Batch{MaxSpans: 100}, 100},
		{"of bytes", exporter.Batch{MaxBytes: 16 << 10}, 300},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var c collector
				tt.batch.MaxAge = time.Hour
				e := c.start(t, exporter.Config{Batch: tt.batch})
				spans := tt.spans * e.Shards()
				consume(e, 1, spans)
				synctest.Wait()
				requests := c.asked()
				if len(requests) == 0 {
					t.Fatal("nothing was sent")
				}
				for _, r := range requests {
					if n := len(r.spans); tt.batch.MaxSpans > 0 && n > tt.batch.MaxSpans {
						t.Errorf("%d spans in a request", n)
					}
					if n := len(r.body); tt.batch.MaxBytes > 0 && n > tt.batch.MaxBytes+200 { // what they have in common
						t.Errorf("%d bytes in a request", n)
					}
				}
				checkHeld(t, e, spans-len(c.received()))
				if err := e.ForceFlush(t.Context()); err != nil {
					t.Error(err)
				}
				c.checkReceived(t, 1, spans)
			})
		})
	}
}

func TestNoSpanWaitsLongerThanMaxAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c collector
		e := c.start(t, exporter.Config{Batch: exporter.Batch{MaxAge: time.Second}})
		for n := 1; n <= 3; n++ { // the first one, and ones that follow a quiet time
			began := time.Now()
			e.Consume(newRecord(n))
			time.Sleep(time.Second / 2)
			e.Consume(newRecord(n + 10))
			time.Sleep(time.Second / 2)
			synctest.Wait()
			requests := c.asked()
			if len(requests) != n {
				t.Fatalf("%d requests, want %d", len(requests), n)
			}
			if waited := requests[n-1].at.Sub(began); waited != time.Second {
				t.Errorf("sent after %v", waited)
			}
			checkHeld(t, e, 0)
			time.Sleep(10 * time.Second)
		}
		if n := len(c.received()); n != 6 {
			t.Errorf("received %d spans, want 6", n)
		}
	})
}

// A request for what was too old is not followed by small requests for what is not.
func TestBatchFillsUpAfterAnAgedOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 64 << 10
		var c collector
		e := c.start(t, exporter.Config{Batch: exporter.Batch{MaxBytes: size}})
		e.Consume(newRecord(1))
		time.Sleep(2 * time.Second)
		synctest.Wait()
		for n := 2; len(c.asked()) < 2; n++ {
			e.Consume(newRecord(n))
			synctest.Wait()
		}
		if n := len(c.asked()[1].body); n < size/2 {
			t.Errorf("a request of %d bytes, with %d allowed", n, size)
		}
	})
}

// Spans that were sent and failed must not depend on other spans to be sent again.
func TestNoSpanIsLeftWaiting(t *testing.T) {
	for first, answers := range map[string][]answer{
		"one of two fails":        {{status: 503}, {}},
		"the other fails":         {{}, {status: 503}},
		"both fail":               {{status: 503}, {status: 503}},
		"one fails, one is wrong": {{status: 503}, {status: 400}},
		"one fails, one is large": {{status: 503}, {status: 413}},
	} {
		t.Run(first, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				// Both wait for their answers, which come in either order.
				for _, order := range [][]int{{0, 1}, {1, 0}} {
					release := []chan struct{}{make(chan struct{}), make(chan struct{})}
					c := &collector{answer: func(n int, _ request) answer {
						if n > 2 {
							return answer{}
						}
						a := answers[n-1]
						a.wait = release[n-1]
						return a
					}}
					e := c.start(t, exporter.Config{Batch: exporter.Batch{MaxSpans: 10}})
					consume(e, 1, 1000)
					time.Sleep(2 * time.Second)
					for _, i := range order {
						close(release[i])
						synctest.Wait()
					}
					time.Sleep(10 * time.Second)
					synctest.Wait()
					checkHeld(t, e, 0)
				}
			})
		})
	}
}

func TestWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const window = 3
		down, back := make(chan struct{}), make(chan struct{})
		c := &collector{answer: func(n int, r request) answer {
			switch {
			case n <= window:
				return answer{wait: down, status: 503}
			case n == window+1:
				return answer{wait: back}
			}
			return answer{hang: true}
		}}
		e := c.start(t, exporter.Config{Batch: exporter.Batch{MaxSpans: 10}, Queue: exporter.Queue{InFlight: window}, Timeout: time.Hour})
		consume(e, 1, 1000)
		check := func(when string, want int) {
			t.Helper()
			time.Sleep(time.Second)
			synctest.Wait()
			if n := len(c.asked()); n != want {
				t.Errorf("%s: %d requests, want %d", when, n, want)
			}
			checkHeld(t, e, 1000-len(c.received()))
		}
		check("all at once", window)
		close(down)
		check("one to find out whether the server is back", window+1)
		close(back)
		check("all at once again", 2*window+1)
	})
}

func TestTooLargeBatchIsSplit(t *testing.T) {
	const limit = 40_000
	c := &collector{answer: func(_ int, r request) answer {
		if len(r.body) > limit {
			return answer{status: http.StatusRequestEntityTooLarge}
		}
		return answer{}
	}}
	synctest.Test(t, func(t *testing.T) {
		e := c.start(t, exporter.Config{})
		consume(e, 1, 999)
		e.Consume(newLargeRecord(1000, 2*limit))
		consume(e, 1001, 4000)
		e.ForceFlush(t.Context())
		got := c.numbers()
		for n := uint64(1); n <= 4000; n++ {
			if got[n] != 1 && n != 1000 {
				t.Fatalf("span %d was received %d times", n, got[n])
			}
		}
		checkHeld(t, e, 0)
		checkStats(t, e, exporter.Stats{Accepted: 4000, Exported: 3999, Dropped: exporter.Dropped{TooLarge: 1}})

		before := len(c.asked())
		consume(e, 5001, 8000)
		if err := e.ForceFlush(t.Context()); err != nil {
			t.Error(err)
		}
		for _, r := range c.asked()[before:] {
			if len(r.body) > limit {
				t.Errorf("a request of %d bytes, although the server takes %d", len(r.body), limit)
			}
		}
	})
}

// A server that takes nothing must not be asked for each span.
func TestNothingIsSmallEnough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &collector{answer: always(answer{status: http.StatusRequestEntityTooLarge})}
		e := c.start(t, exporter.Config{})
		consume(e, 1, 10_000)
		checkError(t, e.ForceFlush(t.Context()), "spans were dropped", "status 413")
		checkHeld(t, e, 0)
		checkStats(t, e, exporter.Stats{Accepted: 10_000, Dropped: exporter.Dropped{TooLarge: 10_000}})
		if n := len(c.asked()); n > 200 {
			t.Errorf("%d requests", n)
		}
	})
}

func TestRejectedSpansAreCounted(t *testing.T) {
	for _, tt := range []struct {
		rule     string
		header   http.Header
		body     []byte
		exported uint64
		text     string
	}{
		{"some", http.Header{"Content-Type": {"application/x-protobuf"}}, answerOTLP(4, "too old"), 6, `the server rejected 4 spans: "too old"`},
		{"more than there were", http.Header{"Content-Type": {"application/x-protobuf"}}, answerOTLP(99, ""), 0, "rejected"},
		{"none", http.Header{"Content-Type": {"application/x-protobuf"}}, answerOTLP(0, "deprecated"), 10, ""},
		{"not said in protobuf", http.Header{"Content-Type": {"text/html"}}, answerOTLP(4, ""), 10, ""},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &collector{answer: always(answer{header: tt.header, body: string(tt.body)})}
				e := c.start(t, exporter.Config{})
				consume(e, 1, 10)
				if err := e.ForceFlush(t.Context()); tt.text != "" || err != nil {
					checkError(t, err, tt.text)
				}
				checkHeld(t, e, 0)
				checkStats(t, e, exporter.Stats{Accepted: 10, Exported: tt.exported, Dropped: exporter.Dropped{Rejected: 10 - tt.exported}})
			})
		})
	}
}

// Each resource needs requests of its own, but no more than that.
func TestResourcesInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c collector
		e := c.start(t, exporter.Config{Endpoint: "jaeger+http://127.0.0.1"})
		one, other := newOrigin("one"), newOrigin("other")
		for n := 1; n <= 20_000; n++ {
			r := newRecord(n)
			if r.Origin = one; n%3 == 0 { // so that each shard has both
				r.Origin = other
			}
			e.Consume(r)
		}
		if err := e.ForceFlush(t.Context()); err != nil {
			t.Error(err)
		}
		c.checkReceived(t, 1, 20_000)
		for _, s := range c.received() {
			id := s.SpanContext.SpanID()
			n := binary.BigEndian.Uint64(id[:])
			if service, _ := s.Resource.Set().Value("service.name"); (n%3 == 0) != (service.AsString() == "other") {
				t.Fatalf("span %d is of %v", n, service)
			}
		}
		if n := len(c.asked()); n > 40 {
			t.Errorf("%d requests for the spans of 2 resources", n)
		}
	})
}

func TestOldestAreDroppedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var errs errorLog
		var down atomic.Bool
		down.Store(true)
		c := &collector{answer: func(int, request) answer {
			if down.Load() {
				return answer{err: fmt.Errorf("connection refused")}
			}
			return answer{}
		}}
		e := c.start(t, exporter.Config{
			Batch:   exporter.Batch{MaxBytes: 16 << 10},
			Queue:   exporter.Queue{MaxBytes: 256 << 10},
			Retry:   exporter.Retry{Initial: time.Second, Max: time.Second},
			OnError: errs.add,
		})
		const spans, step = 10_000, 100
		for n := 1; n <= spans; n += step {
			consume(e, n, n+step-1)
			time.Sleep(time.Second)
		}
		synctest.Wait()
		held := int(e.Held().Spans)
		checkHeld(t, e, held)
		if d := e.Stats().Dropped; d.QueueFull == 0 || d.Total() != d.QueueFull {
			t.Errorf("dropped: %v", d)
		}
		down.Store(false)
		if err := e.ForceFlush(t.Context()); err != nil {
			t.Error(err)
		}
		got := c.numbers()
		if len(got) != held {
			t.Errorf("received %d spans of %d", len(got), held)
		}
		oldest := slices.Min(keys(got))
		if newest := uint64(spans); newest-oldest+1 > uint64(held+held/4) { // one chunk more or less
			t.Errorf("%d spans were received, back to %d", held, oldest)
		}
		checkError(t, fmt.Errorf("%v", errs.all()), "connection refused", "kept to be sent again", "queue full")
	})
}

// More resources than a shard has chunks open are slow, but not lost.
func TestResourcesWithoutEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c collector
		e := c.start(t, exporter.Config{Queue: exporter.Queue{MaxBytes: 8 << 20}})
		const spans = 500
		for n := 1; n <= spans; n++ {
			r := newRecord(n)
			r.Origin = newOrigin(fmt.Sprint("service ", n))
			e.Consume(r)
			synctest.Wait()
		}
		checkHeld(t, e, spans)
		if err := e.ForceFlush(t.Context()); err != nil {
			t.Error(err)
		}
		c.checkReceived(t, 1, spans)
	})
}

func keys(m map[uint64]int) (all []uint64) {
	for k := range m {
		all = append(all, k)
	}
	return all
}
