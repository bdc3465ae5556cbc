package sampler_test

import (
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/meshtrace/meshtrace/sampler"
)

func TestPerSecondRefusesByName(t *testing.T) {
	const n, burst = "want n above 0 and up to 1e+06", "want burst of 1 or more"
	for _, tt := range []struct {
		rule string
		err  error
		want string
	}{
		{"none", errOf(sampler.PerSecond(0, 1)), "sampler: PerSecond(0, 1): " + n},
		{"fewer than none", errOf(sampler.PerSecond(-1, 1)), "sampler: PerSecond(-1, 1): " + n},
		{"not a number", errOf(sampler.PerSecond(math.NaN(), 1)), "sampler: PerSecond(NaN, 1): " + n},
		{"infinite", errOf(sampler.PerSecond(math.Inf(1), 1)), "sampler: PerSecond(+Inf, 1): " + n},
		{"finer than the clock", errOf(sampler.PerSecond(2e6, 1)), "sampler: PerSecond(2e+06, 1): " + n},
		{"no burst", errOf(sampler.PerSecond(1, 0)), "sampler: PerSecond(1, 0): " + burst},
		{"all mistakes at once", errOf(sampler.PerSecond(-1, -1)),
			"sampler: PerSecond(-1, -1): " + n + "\nsampler: PerSecond(-1, -1): " + burst},
		{"a burst that never comes back", errOf(sampler.PerSecond(1e-6, 1e6)),
			"sampler: PerSecond(1e-06, 1000000): want burst/n up to 1e+09"},
		{"a rate that is all but none", errOf(sampler.PerSecond(math.SmallestNonzeroFloat64, 1)),
			"sampler: PerSecond(5e-324, 1): want burst/n up to 1e+09"},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			if tt.err == nil || tt.err.Error() != tt.want {
				t.Errorf("error %v, want %s", tt.err, tt.want)
			}
		})
	}
}

func TestPerSecondDescribesItself(t *testing.T) {
	const want = "PerSecond{0.5,burst:3}"
	if got := must(sampler.PerSecond(0.5, 3)).Description(); got != want {
		t.Errorf("Description() = %q, want %q", got, want)
	}
}

func TestPerSecond(t *testing.T) {
	for _, tt := range []struct {
		rule  string
		n     float64
		burst int
		after time.Duration // before the first trace
		every time.Duration
		total int
		want  int // sampled
	}{
		{"it starts with a full burst", 1, 5, 0, 0, 100, 5},
		{"a quiet time saves a burst and no more", 1, 5, time.Hour, 0, 100, 5},
		{"a steady stream gets the burst, then the rate", 10, 5, 0, time.Millisecond, 60_001, 5 + 600},
		{"a rate that does not divide a second", 3, 2, 0, time.Millisecond, 60_001, 2 + 180},
		{"nor, by the nearest nanosecond, one that is a little short of it", 7, 2, 0, time.Millisecond, 60_001, 2 + 419},
		{"a fraction of one a second", 0.1, 1, 0, time.Second, 101, 1 + 10},
		{"one a day", 1. / (24 * 60 * 60), 1, 0, time.Hour, 10*24 + 1, 1 + 10},
		{"a stream below the rate is sampled whole", 10, 1, 0, 100 * time.Millisecond, 100, 100},
		{"the longest bucket that is allowed", 1e-9, 1, 0, time.Hour, 1000, 1},
		{"the highest rate that is allowed", 1e6, 1, 0, time.Microsecond, 1000, 1000},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := must(sampler.PerSecond(tt.n, tt.burst))
				time.Sleep(tt.after)
				count := 0
				for i := range tt.total {
					if i > 0 {
						time.Sleep(tt.every)
					}
					if sampled(s, above) {
						count++
					}
				}
				if count != tt.want {
					t.Errorf("sampled %d of %d, want %d", count, tt.total, tt.want)
				}
			})
		})
	}
}

// bucket is a token bucket as it is usually explained.
type bucket struct {
	cost, room, tokens time.Duration
	last               time.Time
}

func (b *bucket) allow() bool {
	b.tokens = min(b.room, b.tokens+time.Since(b.last))
	b.last = time.Now()
	if b.tokens < b.cost {
		return false
	}
	b.tokens -= b.cost
	return true
}

func TestPerSecondIsATokenBucket(t *testing.T) {
	for _, tt := range []struct {
		n     float64
		burst int
		cost  time.Duration
	}{
		{8, 5, time.Second / 8},
		{3, 1, time.Second / 3},
		{1000, 20, time.Millisecond},
		{0.1, 2, 10 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(1, uint64(tt.burst)))
			room := time.Duration(tt.burst) * tt.cost
			reference := &bucket{cost: tt.cost, room: room, tokens: room, last: time.Now()}
			s := must(sampler.PerSecond(tt.n, tt.burst))
			for i := range 10_000 {
				if got, want := sampled(s, below), reference.allow(); got != want {
					t.Fatalf("PerSecond(%v, %d), trace %d: sampled %t, want %t", tt.n, tt.burst, i, got, want)
				}
				if random.IntN(3) > 0 { // else at the same time as the last
					time.Sleep(time.Duration(random.ExpFloat64() * float64(tt.cost)))
				}
			}
		})
	}
}

// In a bubble the clock stands while anybody runs, so all of these come at the same time.
func TestPerSecondGivesNoTokenTwice(t *testing.T) {
	const goroutines, each, burst = 4, 200_000, 400_000
	synctest.Test(t, func(t *testing.T) {
		s := must(sampler.PerSecond(1, burst))
		var count atomic.Int64
		start := make(chan struct{})
		var wg sync.WaitGroup
		for range goroutines {
			wg.Go(func() {
				<-start
				mine := 0
				for range each {
					if sampled(s, below) {
						mine++
					}
				}
				count.Add(int64(mine))
			})
		}
		close(start)
		wg.Wait()
		if got := count.Load(); got != burst {
			t.Errorf("sampled %d, want %d", got, burst)
		}
	})
}

func TestPerSecondAsRootIsAskedOnceATrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		provider := sdktrace.NewTracerProvider(sdktrace.WithSampler(
			sampler.ParentBased(must(sampler.PerSecond(1, 2)))))
		defer provider.Shutdown(t.Context())
		tracer := provider.Tracer("")
		for i, want := range []bool{true, true, false} {
			ctx, root := tracer.Start(t.Context(), "root")
			if got := root.SpanContext().IsSampled(); got != want {
				t.Errorf("trace %d: sampled %t, want %t", i, got, want)
			}
			for range 5 {
				if _, child := tracer.Start(ctx, "child"); child.SpanContext().IsSampled() != want {
					t.Errorf("trace %d: a child does not follow", i)
				}
			}
		}
	})
}
