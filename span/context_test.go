package span_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/internal/seam"
	"github.com/meshtrace/meshtrace/span"
)

type key string

// contexts are the two kinds of spans that are their own contexts.
var contexts = []struct {
	kind    string
	sampler sdktrace.Sampler
}{
	{"recorded", sdktrace.AlwaysSample()},
	{"unsampled", sdktrace.NeverSample()},
}

func forEachContext(t *testing.T, test func(t *testing.T, tracer trace.Tracer)) {
	for _, c := range contexts {
		t.Run(c.kind, func(t *testing.T) {
			test(t, newProvider(t, span.Config{Sampler: c.sampler}).Tracer("test"))
		})
	}
}

func TestContextHoldsTheSpan(t *testing.T) {
	forEachContext(t, func(t *testing.T, tracer trace.Tracer) {
		ctx, s := tracer.Start(context.Background(), "test")
		defer s.End()
		if any(ctx) != any(s) {
			t.Error("the span is not its own context: OpenTelemetry no longer asks for it by a key")
		}
		derived, cancel := context.WithCancel(context.WithValue(ctx, key("a"), 1))
		defer cancel()
		for what, ctx := range map[string]context.Context{
			"the context":            ctx,
			"one derived from it":    derived,
			"one without its cancel": context.WithoutCancel(ctx),
		} {
			if got := trace.SpanFromContext(ctx); got != s {
				t.Errorf("%s holds %v, want the span", what, got)
			}
		}
		inner, child := tracer.Start(derived, "child")
		defer child.End()
		if trace.SpanFromContext(inner) != child || trace.SpanFromContext(ctx) != s {
			t.Error("a child's context does not hold the child, or the parent's does")
		}
		other := trace.ContextWithSpanContext(inner, remote(0))
		if got := trace.SpanContextFromContext(other); !got.Equal(remote(0)) {
			t.Errorf("a span that is put over it is %v, want that one", got)
		}
		s.End()
		if trace.SpanFromContext(ctx) != s {
			t.Error("after the end the context does not hold the span")
		}
	})
}

func TestContextPassesTheParentThrough(t *testing.T) {
	forEachContext(t, func(t *testing.T, tracer trace.Tracer) {
		deadline, cause := time.Now().Add(time.Hour), errors.New("cause")
		parent, cancelTime := context.WithDeadline(context.WithValue(context.Background(), key("a"), "value"), deadline)
		defer cancelTime()
		parent, cancel := context.WithCancelCause(parent)
		ctx, s := tracer.Start(parent, "test")
		defer s.End()
		if got := ctx.Value(key("a")); got != "value" {
			t.Errorf("value %v, want the parent's", got)
		}
		if got := ctx.Value(key("b")); got != nil {
			t.Errorf("value %v, want none", got)
		}
		if got, ok := ctx.Deadline(); !ok || !got.Equal(deadline) {
			t.Errorf("deadline %v, want the parent's", got)
		}
		if ctx.Err() != nil {
			t.Errorf("error %v before the parent was cancelled", ctx.Err())
		}
		cancel(cause)
		<-ctx.Done()
		if ctx.Err() != context.Canceled || context.Cause(ctx) != cause {
			t.Errorf("error %v, cause %v, want the parent's", ctx.Err(), context.Cause(ctx))
		}
	})
}

// A context that package context does not know costs a goroutine for each cancellation made from
// it, unless it shows the parent's.
func TestCancelBelowASpanStartsNoGoroutine(t *testing.T) {
	forEachContext(t, func(t *testing.T, tracer trace.Tracer) {
		parent, cancel := context.WithCancel(context.Background())
		ctx, s := tracer.Start(parent, "test")
		defer s.End()
		before := runtime.NumGoroutine()
		child, cancelChild := context.WithCancel(ctx)
		defer cancelChild()
		if n := runtime.NumGoroutine() - before; n > 0 {
			t.Errorf("%d goroutines wait for the parent", n)
		}
		cancel()
		if child.Err() == nil {
			t.Error("the parent's cancellation has not arrived when it returns")
		}
	})
}

func TestTimeoutAndAfterFuncOverASpan(t *testing.T) {
	forEachContext(t, func(t *testing.T, tracer trace.Tracer) {
		synctest.Test(t, func(t *testing.T) {
			parent, cancel := context.WithCancel(context.Background())
			ctx, s := tracer.Start(parent, "test")
			defer s.End()
			var ran, stopped bool
			context.AfterFunc(ctx, func() { ran = true })
			stop := context.AfterFunc(ctx, func() { stopped = true })
			if !stop() {
				t.Error("an AfterFunc that has not run cannot be stopped")
			}
			short, cancelShort := context.WithTimeout(ctx, time.Second)
			defer cancelShort()
			time.Sleep(time.Second) // of the bubble's clock
			synctest.Wait()
			if short.Err() != context.DeadlineExceeded || ctx.Err() != nil || ran {
				t.Errorf("after the timeout: error %v, want it exceeded; the span's %v, want none; AfterFunc ran: %v", short.Err(), ctx.Err(), ran)
			}
			cancel()
			synctest.Wait()
			if !ran || stopped {
				t.Errorf("after the cancellation: AfterFunc ran %v, the stopped one %v", ran, stopped)
			}
		})
	})
}

// Each span asks its parent for what it does not know, one call inside the other.
func TestDeepNesting(t *testing.T) {
	forEachContext(t, func(t *testing.T, tracer trace.Tracer) {
		const depth = 100_000
		ctx, cancel := context.WithCancel(context.WithValue(context.Background(), key("a"), "value"))
		first, _ := tracer.Start(ctx, "first")
		last := first
		for range depth {
			last, _ = tracer.Start(last, "test")
		}
		if got := last.Value(key("a")); got != "value" {
			t.Errorf("value %v, want the one from far above", got)
		}
		if got, want := trace.SpanContextFromContext(last).TraceID(), trace.SpanContextFromContext(first).TraceID(); got != want {
			t.Errorf("trace %v, want %v", got, want)
		}
		cancel()
		if last.Err() == nil {
			t.Error("the cancellation has not arrived")
		}
	})
}

func TestNilContext(t *testing.T) {
	forEachContext(t, func(t *testing.T, tracer trace.Tracer) {
		var none context.Context
		for way, start := range map[string]func() (context.Context, trace.Span){
			"Start": func() (context.Context, trace.Span) { return tracer.Start(none, "test") },
			"StartSpan": func() (context.Context, trace.Span) {
				return tracer.(seam.Starter).StartSpan(none, seam.Start{Name: "test"})
			},
		} {
			ctx, s := start()
			if ctx.Err() != nil || ctx.Value(key("a")) != nil || trace.SpanFromContext(ctx) != s {
				t.Errorf("%s: a nil context does not count as the background", way)
			}
			s.End()
		}
	})
}

// Test doubles and debug logs print contexts with %v. With -race this fails if that looks into a span.
func TestPrintingAContextLeavesTheSpanAlone(t *testing.T) {
	forEachContext(t, func(t *testing.T, tracer trace.Tracer) {
		parent, cancel := context.WithCancel(context.Background())
		defer cancel()
		ctx, s := tracer.Start(parent, "test")
		done := make(chan struct{})
		go func() {
			defer close(done)
			for i := range 100 {
				s.SetAttributes(attribute.Int("a", i))
			}
			s.End()
		}()
		derived := context.WithValue(ctx, key("a"), 1)
		for range 100 {
			for _, ctx := range []context.Context{ctx, derived} {
				want := "context.Background.WithCancel.WithSpan(" + s.SpanContext().SpanID().String() + ")"
				if got := fmt.Sprint(ctx); !strings.HasPrefix(got, want) {
					t.Fatalf("prints as %q, want %q", got, want)
				}
			}
		}
		<-done
	})
}
