package exporter_test

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshtrace/meshtrace/exporter"
)

func TestStatuses(t *testing.T) {
	for _, tt := range []struct {
		rule    string
		status  []int
		retried bool
		lost    exporter.Dropped
	}{
		{"2xx is success", []int{200, 201, 202, 204}, false, exporter.Dropped{}},
		{"3xx is not followed, and would come again", []int{301, 302, 303, 304, 307, 308}, false, exporter.Dropped{Rejected: 1}},
		{"4xx is what the spans are told", []int{400, 401, 403, 404, 405, 410, 415, 422, 431}, false, exporter.Dropped{Rejected: 1}},
		{"a timeout is not about the spans", []int{408}, true, exporter.Dropped{}},
		{"too many requests is for now", []int{429}, true, exporter.Dropped{}},
		{"5xx is the server's trouble", []int{500, 501, 502, 503, 504, 507, 511, 599}, true, exporter.Dropped{}},
		{"too large is for ever if it is alone", []int{413}, false, exporter.Dropped{TooLarge: 1}},
	} {
		for _, status := range tt.status {
			t.Run(tt.rule+": "+strconv.Itoa(status), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := &collector{answer: inTurn(answer{status: status})}
					e := c.start(t, exporter.Config{})
					e.Consume(newRecord(1))
					time.Sleep(10 * time.Second)
					synctest.Wait()
					if retried := len(c.asked()) > 1; retried != tt.retried {
						t.Errorf("%d requests", len(c.asked()))
					}
					checkHeld(t, e, 0)
					checkStats(t, e, exporter.Stats{Accepted: 1, Exported: 1 - tt.lost.Total(), Dropped: tt.lost})
				})
			})
		}
	}
}

func TestPauseGrowsAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const fails = 12
		c := &collector{answer: func(n int, _ request) answer {
			if n <= fails {
				return answer{err: errors.New("connection refused")}
			}
			return answer{}
		}}
		e := c.start(t, exporter.Config{Retry: exporter.Retry{Initial: time.Second, Max: time.Minute}})
		e.Consume(newRecord(1))
		time.Sleep(time.Hour)
		synctest.Wait()
		c.checkReceived(t, 1, 1)
		requests := c.asked()
		for n := 1; n < len(requests); n++ {
			pause, longest := requests[n].at.Sub(requests[n-1].at), min(time.Second<<(n-1), time.Minute)
			if pause < longest/2 || pause > longest {
				t.Errorf("pause %d is %v, want %v to %v", n, pause, longest/2, longest)
			}
		}
		// After a success it begins anew.
		c.mu.Lock()
		c.requests = c.requests[:0]
		c.answer = inTurn(answer{status: 500})
		c.mu.Unlock()
		e.Consume(newRecord(2))
		time.Sleep(time.Minute)
		synctest.Wait()
		requests = c.asked()
		if pause := requests[1].at.Sub(requests[0].at); pause > time.Second {
			t.Errorf("the first pause after a success is %v", pause)
		}
	})
}

// What is under way together fails together.
func TestFailuresTogetherAreOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		c := &collector{answer: func(n int, _ request) answer {
			if n <= 10 {
				return answer{wait: release, status: 503}
			}
			return answer{}
		}}
		e := c.start(t, exporter.Config{
			Batch: exporter.Batch{MaxSpans: 10},
			Queue: exporter.Queue{InFlight: 10},
			Retry: exporter.Retry{Initial: time.Second, Max: time.Hour},
		})
		consume(e, 1, 1000)
		time.Sleep(time.Second)
		close(release)
		failed := time.Now()
		time.Sleep(time.Hour)
		if pause := c.asked()[10].at.Sub(failed); pause > time.Second {
			t.Errorf("the pause is %v", pause)
		}
	})
}

// A success under way with failures says that the server is there, not that the pause is over.
func TestSuccessAmongFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &collector{answer: func(n int, _ request) answer {
			time.Sleep(time.Duration(n) * time.Millisecond)
			return answer{status: []int{503, 200, 503, 200}[min(n-1, 3)]}
		}}
		e := c.start(t, exporter.Config{Batch: exporter.Batch{MaxSpans: 4}, Queue: exporter.Queue{InFlight: 3}})
		consume(e, 1, 12)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		c.checkReceived(t, 1, 12)
		requests := c.asked()
		if pause := requests[3].at.Sub(requests[2].at); pause < 250*time.Millisecond {
			t.Errorf("the next try came after %v", pause)
		}
	})
}

func TestServerSaysHowLong(t *testing.T) {
	for _, tt := range []struct {
		rule   string
		first  []answer // to two requests under way together
		pauses time.Duration
	}{
		{"longer than we would", []answer{after("30"), after("30")}, 30 * time.Second},
		{"the longest counts, if it is first", []answer{after("30"), after("2")}, 30 * time.Second},
		{"the longest counts, if it is last", []answer{after("2"), after("30")}, 30 * time.Second},
		{"also if others say nothing", []answer{after("30"), {status: 500}}, 30 * time.Second},
		{"also if others succeed", []answer{after("30"), {}}, 30 * time.Second},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &collector{}
				c.answer = func(n int, r request) answer {
					if n <= len(tt.first) {
						time.Sleep(time.Duration(n) * time.Millisecond)
						return tt.first[n-1]
					}
					return answer{}
				}
				e := c.start(t, exporter.Config{Batch: exporter.Batch{MaxSpans: 10}, Retry: exporter.Retry{Initial: time.Second}})
				consume(e, 1, 1000)
				time.Sleep(time.Minute)
				synctest.Wait()
				requests := c.asked()
				if pause := requests[2].at.Sub(requests[0].at).Truncate(10 * time.Millisecond); pause != tt.pauses {
					t.Errorf("the next try came after %v, want %v", pause, tt.pauses)
				}
				c.checkReceived(t, 1, 1000)
			})
		})
	}
}

func after(seconds string) answer {
	return answer{status: http.StatusServiceUnavailable, header: http.Header{"Retry-After": {seconds}}}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, tt := range []struct {
		rule  string
		value string
		want  time.Duration
	}{
		{"nothing", "", 0},
		{"delay-seconds", "120", 2 * time.Minute},
		{"zero", "0", 0},
		{"HTTP-date", "Fri, 02 Jan 2026 03:05:05 GMT", time.Minute},
		{"HTTP-date in obsolete form", "Friday, 02-Jan-26 03:05:05 GMT", time.Minute},
		{"a date that is past", "Thu, 01 Jan 2026 03:04:05 GMT", 0},
		{"no day-long silence, by seconds", "86400", 5 * time.Minute},
		{"no day-long silence, by date", "Sat, 03 Jan 2026 03:04:05 GMT", 5 * time.Minute},
		{"not a number", "soon", 0},
		{"negative", "-1", 0},
		{"a fraction", "1.5", 0},
		{"too great a number", "99999999999999999999", 0},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			if got := exporter.RetryAfter(tt.value, now); got != tt.want {
				t.Errorf("%q: %v, want %v", tt.value, got, tt.want)
			}
		})
	}
}

func TestBackoffNeverOverflows(t *testing.T) {
	for _, r := range []exporter.Retry{
		{Initial: 1, Max: 1},
		{Initial: 1, Max: math.MaxInt64},
		{Initial: time.Second, Max: time.Second},
		{Initial: 500 * time.Millisecond, Max: 30 * time.Second},
		{Initial: math.MaxInt64, Max: math.MaxInt64},
	} {
		for failures := 1; failures < 100; failures++ {
			d := r.Backoff(failures)
			longest := r.Max
			if f := float64(r.Initial) * math.Pow(2, float64(failures-1)); f < float64(r.Max) {
				longest = time.Duration(f)
			}
			if failures > 32 {
				longest = r.Max
			}
			if d < longest/2 || d > longest {
				t.Fatalf("%+v: %v after %d failures, want %v to %v", r, d, failures, longest/2, longest)
			}
		}
	}
}

func TestBackoffIsLeftToChance(t *testing.T) {
	r := exporter.Retry{Initial: time.Second, Max: time.Second}
	seen := make(map[time.Duration]bool)
	for range 100 {
		seen[r.Backoff(1)] = true
	}
	if len(seen) < 50 {
		t.Errorf("%d different pauses of 100", len(seen))
	}
}
