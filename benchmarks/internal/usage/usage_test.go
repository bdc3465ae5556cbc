package usage_test

import (
	"testing"
	"time"

	"github.com/meshtrace/meshtrace/benchmarks/internal/usage"
)

func TestWorkOfOtherGoroutinesCounts(t *testing.T) {
	const spin, objects = 50 * time.Millisecond, 1000
	before := usage.Now()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range objects {
			sink = new([100]byte)
		}
		for usage.Since(before).CPU < spin {
		}
	}()
	<-done
	used := usage.Since(before)
	if used.CPU < spin {
		t.Errorf("CPU = %v, want at least %v", used.CPU, spin)
	}
	if used.Allocs < objects || used.Bytes < 100*objects {
		t.Errorf("%d allocations, %d bytes; want at least %d and %d", used.Allocs, used.Bytes, objects, 100*objects)
	}
}

func TestSleepingCostsNothing(t *testing.T) {
	before := usage.Now()
	time.Sleep(100 * time.Millisecond)
	if used := usage.Since(before).CPU; used > 50*time.Millisecond {
		t.Errorf("CPU = %v while asleep", used)
	}
}

var sink *[100]byte
