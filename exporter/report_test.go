package exporter_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshtrace/meshtrace/exporter"
)

func TestErrorsAreReportedButNotEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var errs errorLog
		var at []time.Time
		c := &collector{answer: always(answer{status: 503, body: "starting"})}
		e := c.start(t, exporter.Config{
			Retry:   exporter.Retry{Initial: time.Second, Max: time.Second},
			OnError: func(err error) { errs.add(err); at = append(at, time.Now()) },
		})
		e.Consume(newRecord(1))
		time.Sleep(time.Minute)
		synctest.Wait()
		all := errs.all()
		if n := len(all); n < 5 || n > 6 {
			t.Fatalf("%d reports in a minute: %q", n, all)
		}
		for i := 1; i < len(at); i++ {
			if gap := at[i].Sub(at[i-1]); gap < 10*time.Second {
				t.Errorf("%v between reports", gap)
			}
		}
		if want := `exporter: post 1 spans to "http://localhost:4318/v1/traces": status 503: "starting"; its spans are kept to be sent again`; all[0] != want {
			t.Errorf("first report %q, want %q", all[0], want)
		}
		checkError(t, errors.New(all[1]), "deliveries failed, the last one: post 1 spans")
	})
}

func TestLossesAreReported(t *testing.T) {
	for _, tt := range []struct {
		rule  string
		parts []string
		spans func(e *exporter.Exporter)
	}{
		{"too large, at once", []string{"exporter: spans lost; lost since the last report: 1 too large"},
			func(e *exporter.Exporter) { e.Consume(newLargeRecord(1, 2<<20)) }},
		{"refused", []string{"post 3 spans", `status 400: "no"`, "; lost since the last report: 3 rejected"},
			func(e *exporter.Exporter) { consume(e, 1, 3) }},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var errs errorLog
				c := &collector{answer: always(answer{status: 400, body: "no"})}
				e := c.start(t, exporter.Config{OnError: errs.add})
				tt.spans(e)
				e.ForceFlush(t.Context())
				synctest.Wait()
				if len(errs.all()) != 1 {
					t.Fatalf("reports: %q", errs.all())
				}
				checkError(t, errors.New(errs.all()[0]), tt.parts...)
			})
		})
	}
}

// The counts in reports add up.
func TestLossesAreReportedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var errs errorLog
		c := &collector{answer: always(answer{status: 400})}
		e := c.start(t, exporter.Config{OnError: errs.add})
		for n := 1; n <= 3; n++ {
			consume(e, 1, n)
			e.ForceFlush(t.Context())
			time.Sleep(11 * time.Second)
		}
		for i, want := range []string{": 1 rejected", ": 2 rejected", ": 3 rejected"} {
			checkError(t, errors.New(errs.all()[i]), want)
		}
	})
}

func TestOnErrorMayUseTheExporter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &collector{answer: inTurn(answer{status: 400})}
		var e *exporter.Exporter
		var calls atomic.Int64
		e = c.start(t, exporter.Config{OnError: func(error) {
			calls.Add(1)
			consume(e, 100, 200)
			if err := e.ForceFlush(context.Background()); err != nil {
				t.Error(err)
			}
			e.Shutdown(context.Background())
		}})
		consume(e, 1, 3)
		time.Sleep(time.Minute)
		synctest.Wait()
		if calls.Load() != 1 {
			t.Errorf("%d calls", calls.Load())
		}
		c.checkReceived(t, 100, 200)
	})
}

func TestOnErrorThatBlocksDoesNotBlockDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		blocked := make(chan struct{})
		c := &collector{answer: inTurn(answer{status: 400}, answer{status: 400}, answer{status: 400})}
		e := c.start(t, exporter.Config{OnError: func(error) { calls.Add(1); <-blocked }})
		for n := 1; n <= 5; n++ {
			e.Consume(newRecord(n))
			time.Sleep(20 * time.Second)
		}
		synctest.Wait()
		c.checkReceived(t, 4, 5)
		if calls.Load() != 1 {
			t.Errorf("%d calls at the same time", calls.Load())
		}
		e.Shutdown(context.Background())
		close(blocked)
	})
}

func TestWhatShutdownReturnsIsNotReported(t *testing.T) {
	for rule, a := range map[string]answer{"no answer": {hang: true}, "a failure": {status: 503}, "a refusal": {status: 400}} {
		t.Run(rule, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var errs errorLog
				c := &collector{answer: always(a)}
				e := c.start(t, exporter.Config{OnError: errs.add})
				consume(e, 1, 3)
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				checkError(t, e.Shutdown(ctx), "lost 3 of 3 spans")
				synctest.Wait()
				if all := errs.all(); len(all) > 0 {
					t.Errorf("reported: %q", all)
				}
			})
		})
	}
}

// After Shutdown nothing is sent again, and its error does not say so.
func TestShutdownDoesNotPromiseAnotherTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &collector{answer: always(answer{status: 503})}
		e := c.start(t, exporter.Config{})
		e.Consume(newRecord(1))
		err := e.Shutdown(t.Context())
		checkError(t, err, "lost 1 of 1 spans", "status 503")
		if strings.Contains(fmt.Sprint(err), "again") {
			t.Errorf("the error is %q", err)
		}
	})
}
