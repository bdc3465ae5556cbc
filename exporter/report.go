package exporter

// What OnError is told: that deliveries fail and spans are lost, but not each time.

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// reportEvery is how often errors are reported, at the most. A collector that is down fails
// many times, and the first failure says it all.
const reportEvery = 10 * time.Second

// A reporter collects what has gone wrong until it may be told.
type reporter struct {
	onError func(error)
	running atomic.Bool // onError

	next   time.Time
	err    error // the last one since the last report, or nil
	errs   int   // how many there were
	losses Dropped
}

func (r *reporter) note(err error) {
	r.err = err
	r.errs++
}

// report tells OnError what has gone wrong since its last call, unless that was too short a time
// ago. lost is what has been lost in the exporter's life. OnError is not called from here, as it
// may do anything, even wait for us.
func (r *reporter) report(lost Dropped) {
	if r.err == nil && lost == r.losses || r.running.Load() {
		return
	}
	now := time.Now()
	if now.Before(r.next) {
		return
	}
	err := r.summary(lost)
	r.next, r.err, r.errs, r.losses = now.Add(reportEvery), nil, 0, lost
	r.running.Store(true)
	go func() {
		defer r.running.Store(false)
		r.onError(err)
	}()
}

// summary returns what has gone wrong since the last report as one error.
func (r *reporter) summary(lost Dropped) error {
	since := lost.minus(r.losses)
	var err error
	switch {
	case r.err == nil:
		err = errors.New("exporter: spans lost")
	case r.errs == 1:
		err = fmt.Errorf("exporter: %w", r.err)
	default:
		err = fmt.Errorf("exporter: %d deliveries failed, the last one: %w", r.errs, r.err)
	}
	if since.Total() > 0 {
		err = fmt.Errorf("%w; lost since the last report: %v", err, since)
	}
	return err
}
