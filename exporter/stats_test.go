package exporter_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshtrace/meshtrace/exporter"
)

func TestStatsBalanceAtEveryMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		c := &collector{answer: func(n int, _ request) answer {
			if down.Load() {
				return answer{status: 503}
			}
			return answer{status: []int{200, 503, 413, 400, 429, 200, 302}[n%7]}
		}}
		e := c.start(t, exporter.Config{
			Batch: exporter.Batch{MaxSpans: 300, MaxBytes: 16 << 10},
			Queue: exporter.Queue{MaxBytes: 128 << 10},
			Retry: exporter.Retry{Initial: 100 * time.Millisecond, Max: time.Second},
		})
		for n := 1; n <= 10_000; n++ {
			r := newRecord(n)
			if n%1000 == 0 {
				r = newLargeRecord(n, 9<<10)
			}
			e.Consume(r)
			down.Store(n > 4000 && n < 7000)
			if n%100 == 0 {
				time.Sleep(100 * time.Millisecond)
				synctest.Wait()
				checkBalance(t, e.Held())
				if s := e.Stats(); s.Exported != uint64(len(c.received())) {
					t.Fatalf("%d spans are exported, %d were received", s.Exported, len(c.received()))
				}
			}
		}
		d := e.Stats().Dropped
		if d.QueueFull == 0 || d.TooLarge == 0 || d.Rejected == 0 {
			t.Errorf("not everything has happened: %+v", d)
		}
	})
}

func TestDroppedSaysWhatOccurred(t *testing.T) {
	for _, tt := range []struct {
		dropped exporter.Dropped
		total   uint64
		text    string
	}{
		{exporter.Dropped{}, 0, ""},
		{exporter.Dropped{Rejected: 3}, 3, "3 rejected"},
		{exporter.Dropped{QueueFull: 1, TooLarge: 2, Rejected: 3, Shutdown: 4}, 10, "1 queue full, 2 too large, 3 rejected, 4 shutdown"},
	} {
		if got := fmt.Sprint(tt.dropped); got != tt.text || tt.dropped.Total() != tt.total {
			t.Errorf("%q, %d; want %q, %d", got, tt.dropped.Total(), tt.text, tt.total)
		}
	}
}
