package sampler

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

const (
	// maxPerSecond keeps the nanoseconds between two traces a number that rounding does
	// not change noticeably.
	maxPerSecond = 1e6

	// maxRefill keeps an empty bucket's refill, in seconds, within what nanoseconds in an int64 can say.
	maxRefill = 1e9
)

// perSecond is a token bucket held in one number.
type perSecond struct {
	cost        int64        // nanoseconds of allowance that one trace uses up
	window      int64        // nanoseconds of allowance that may be saved up
	spent       atomic.Int64 // the time up to which the allowance is used, in nanoseconds since start
	start       time.Time
	description string
}

// PerSecond returns a sampler that samples n traces a second, and up to burst at once after a
// quiet time. n may be a fraction: 0.1 is one trace in ten seconds. It starts with a full burst.
//
// Use it as the root of [ParentBased]: it does not look at trace IDs, so asked in the middle of
// a trace it would tear holes into it. It is safe for concurrent use, and traces that it
// refuses, however many at once, do not contend for anything.
//
// It fails unless 0 < n <= 1e6, burst >= 1, and burst/n, the seconds after which a burst is
// possible again, is at most 1e9.
func PerSecond(n float64, burst int) (sdktrace.Sampler, error) {
	if err := checkPerSecond(n, burst); err != nil {
		return nil, err
	}
	cost := int64(float64(time.Second)/n + 0.5)
	s := &perSecond{
		cost:        cost,
		window:      cost * int64(burst),
		start:       time.Now(),
		description: fmt.Sprintf("PerSecond{%v,burst:%d}", n, burst),
	}
	s.spent.Store(-s.window) // the bucket starts full
	return s, nil
}

func checkPerSecond(n float64, burst int) error {
	var errs []error
	refuse := func(rule string) {
		errs = append(errs, fmt.Errorf("sampler: PerSecond(%v, %d): want %s", n, burst, rule))
	}
	if !(n > 0 && n <= maxPerSecond) { // this way round NaN is refused too
		refuse(fmt.Sprintf("n above 0 and up to %v", maxPerSecond))
	}
	if burst < 1 {
		refuse("burst of 1 or more")
	}
	if len(errs) == 0 && float64(burst)/n > maxRefill {
		refuse(fmt.Sprintf("burst/n up to %v", maxRefill))
	}
	return errors.Join(errs...)
}

func (s *perSecond) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	return s.Sample(trace.SpanContextFromContext(p.ParentContext), p)
}

func (s *perSecond) Sample(parent trace.SpanContext, _ sdktrace.SamplingParameters) sdktrace.SamplingResult {
	return decide(s.allow(), parent)
}

// allow takes one trace's allowance, if it is there.
func (s *perSecond) allow() bool {
	for now := int64(time.Since(s.start)); ; {
		old := s.spent.Load()
		next := max(old, now-s.window) + s.cost
		if next > now {
			return false
		}
		if s.spent.CompareAndSwap(old, next) {
			return true
		}
	}
}

func (s *perSecond) AsksAttributes() bool { return false }

func (s *perSecond) Description() string { return s.description }
