package exporter

// What a response means for the batch, and how long to wait before the next try.

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// outcome is what came of a delivery.
type outcome int

const (
	failed    outcome = iota // try again: nobody refused the spans as such
	accepted                 // by the server
	refused                  // and would be again
	oversize                 // try again in smaller pieces
	abandoned                // by Shutdown, in the middle
)

// outcomeOf returns what an HTTP status says of the spans that were posted.
//
// OpenTelemetry's list of statuses to try again is 429, 502, 503 and 504. The others here come
// from proxies and from servers that restart, and do not speak of the spans.
//
// Spec: OTLP 1.x, OTLP/HTTP Response, https://opentelemetry.io/docs/specs/otlp/#otlphttp-response
func outcomeOf(status int) outcome {
	switch {
	case status >= 200 && status < 300:
		return accepted
	case status == http.StatusRequestEntityTooLarge:
		return oversize
	case status == http.StatusRequestTimeout, status == http.StatusTooManyRequests, status >= 500:
		return failed
	}
	return refused
}

// A pause keeps the pipeline from sending between a failed delivery and the next try.
type pause struct {
	settings Retry
	failures int  // in a row
	on       bool // until the timer fires
	told     bool // by the server, not only for what has failed
	until    time.Time
	timer    *time.Timer
}

// failed begins a pause: as long as the server said, or a time that grows with each failure.
// Deliveries that were under way together fail together, and count as one failure; the longest
// of their pauses holds.
func (p *pause) failed(retryAfter time.Duration) {
	if !p.on || p.failures == 0 {
		p.failures++
	}
	wait := max(retryAfter, p.settings.backoff(p.failures))
	until := time.Now().Add(wait)
	if p.on && until.Before(p.until) {
		return
	}
	p.on, p.told, p.until = true, retryAfter > 0, until
	p.timer.Reset(wait)
}

// backoff returns how long to wait after the given number of failures in a row: between half and
// all of a time that doubles each time. Half of it is left to chance so that the services that a
// collector's restart has cut off do not all come back at once.
func (r Retry) backoff(failures int) time.Duration {
	d := r.Max
	if shift := failures - 1; shift < 32 && r.Initial<<shift>>shift == r.Initial {
		d = min(d, r.Initial<<shift)
	}
	return d/2 + rand.N(d/2+1)
}

// maxRetryAfter bounds what a server may ask for. A mistaken one must not silence us for a day.
const maxRetryAfter = 5 * time.Minute

// retryAfter returns how long the server asks us to wait, or 0.
//
// Spec: RFC 9110, section 10.2.3, https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return min(time.Duration(seconds)*time.Second, maxRetryAfter)
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(at.Sub(now), 0), maxRetryAfter)
	}
	return 0
}
