package counter_test

import (
	"math"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/meshtrace/meshtrace/internal/counter"
)

func TestCounterCountsWhateverTheHint(t *testing.T) {
	var c counter.Counter
	for hint := range math.MaxUint8 + 1 {
		c.Inc(byte(hint))
		if got := c.Load(); got != uint64(hint)+1 {
			t.Fatalf("after %d counts: %d", hint+1, got)
		}
	}
}

func TestCounterLosesNothing(t *testing.T) {
	const goroutines, each = 4, 1_000_000
	var c counter.Counter
	var busy, reader sync.WaitGroup
	done := make(chan struct{})
	reader.Go(func() {
		for last := uint64(0); ; {
			n := c.Load()
			if n < last {
				t.Errorf("%d after %d: a counter went back", n, last)
				return
			}
			last = n
			select {
			case <-done:
				return
			default:
			}
		}
	})
	for range goroutines {
		busy.Go(func() {
			for i := range each {
				c.Inc(byte(i % 2)) // so that they meet
			}
		})
	}
	busy.Wait()
	close(done)
	reader.Wait()
	if got := c.Load(); got != goroutines*each {
		t.Errorf("counted %d, want %d", got, goroutines*each)
	}
}

// BenchmarkInc shows what the stripes are worth where processors meet. The baseline is one word.
func BenchmarkInc(b *testing.B) {
	b.Run("cells=1", func(b *testing.B) {
		var n atomic.Uint64
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				n.Add(1)
			}
		})
	})
	b.Run("cells=16", func(b *testing.B) {
		var c counter.Counter
		var goroutines atomic.Int32
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			hint := byte(goroutines.Add(1))
			for pb.Next() {
				c.Inc(hint)
			}
		})
	})
}
