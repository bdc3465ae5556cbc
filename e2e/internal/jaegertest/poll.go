package jaegertest

import (
	"context"
	"time"
)

// pollInterval is how long a process is left alone between two questions.
const pollInterval = 10 * time.Millisecond

// poll asks until done says true or fails, or ctx is done. It returns the error of whichever
// ended it.
func poll(ctx context.Context, done func() (bool, error)) error {
	ticks := time.NewTicker(pollInterval)
	defer ticks.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
