package sampler_test

import (
	"context"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/internal/sdkseam"
	"github.com/meshtrace/meshtrace/internal/seam"
	"github.com/meshtrace/meshtrace/sampler"
)

// conforming is every sampler of this package, set so that what it says does not change
// with time. The tests in this file hold for each of them.
func conforming(t testing.TB) []sdkseam.Sampler {
	var all []sdkseam.Sampler
	for _, s := range []sdktrace.Sampler{
		must(sampler.Percent(0)),
		must(sampler.Percent(50)),
		must(sampler.Percent(100)),
		must(sampler.Ratio(0.5)),
		must(sampler.PerSecond(1e6, 1e9)), // never short of tokens
		sampler.ParentBased(nil),
		sampler.ParentBased(sdktrace.AlwaysSample()),
		sampler.ParentBased(sdktrace.NeverSample()),
		sampler.ParentBased(must(sampler.Percent(50))),
		sampler.ParentBased(sampler.ParentBased(must(sampler.Percent(50)))),
	} {
		s, ok := s.(sdkseam.Sampler)
		if !ok {
			t.Fatalf("%T is no sdkseam.Sampler", s)
		}
		all = append(all, s)
	}
	return all
}

func must(s sdktrace.Sampler, err error) sdktrace.Sampler {
	if err != nil {
		panic(err)
	}
	return s
}

// The IDs: Percent(50) samples below, and does not sample above.
var (
	below  = trace.TraceID{15: 2}
	above  = trace.TraceID{8: 0xff}
	spanID = trace.SpanID{7: 1}
)

var parents = []struct {
	name string
	sc   trace.SpanContext
}{
	{"no parent", trace.SpanContext{}},
	{"remote and sampled", parent(below, true, true)},
	{"remote and not sampled", parent(below, true, false)},
	{"local and sampled", parent(above, false, true)},
	{"local and not sampled", parent(above, false, false)},
}

func parent(id trace.TraceID, remote, sampled bool) trace.SpanContext {
	state, err := trace.ParseTraceState("vendor=1,other=2")
	if err != nil {
		panic(err)
	}
	return trace.NewSpanContext(trace.SpanContextConfig{
		TraceID:    id,
		SpanID:     spanID,
		TraceFlags: trace.TraceFlags(0).WithSampled(sampled),
		TraceState: state,
		Remote:     remote,
	})
}

// parameters are those of a span under the parent. They hold the parent only if ctx does.
func parameters(ctx context.Context, parent trace.SpanContext) sdktrace.SamplingParameters {
	id := below
	if parent.IsValid() {
		id = parent.TraceID()
	}
	return sdktrace.SamplingParameters{ParentContext: ctx, TraceID: id, Name: "GET /"}
}

func forEach(t *testing.T, test func(t *testing.T, s sdkseam.Sampler, parent trace.SpanContext)) {
	for _, s := range conforming(t) {
		for _, p := range parents {
			t.Run(s.Description()+"/"+p.name, func(t *testing.T) { test(t, s, p.sc) })
		}
	}
}

func TestTheSeamDecidesAsThePublicWay(t *testing.T) {
	forEach(t, func(t *testing.T, s sdkseam.Sampler, parent trace.SpanContext) {
		ctx := context.Background()
		fast := s.Sample(parent, parameters(ctx, parent))
		public := s.ShouldSample(parameters(trace.ContextWithSpanContext(ctx, parent), parent))
		if diff := cmp.Diff(public, fast, cmp.Comparer(sameState)); diff != "" {
			t.Errorf("Sample differs from ShouldSample (-public +fast):\n%s", diff)
		}
	})
}

func TestTheGivenParentCountsAndNotTheContexts(t *testing.T) {
	other := trace.ContextWithSpanContext(context.Background(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: spanID, TraceFlags: trace.FlagsSampled,
	}))
	forEach(t, func(t *testing.T, s sdkseam.Sampler, parent trace.SpanContext) {
		want := s.Sample(parent, parameters(context.Background(), parent))
		got := s.Sample(parent, parameters(other, parent))
		if diff := cmp.Diff(want, got, cmp.Comparer(sameState)); diff != "" {
			t.Errorf("with another parent in the context (-want +got):\n%s", diff)
		}
	})
}

func TestTracestateIsHandedOnWhateverIsDecided(t *testing.T) {
	forEach(t, func(t *testing.T, s sdkseam.Sampler, parent trace.SpanContext) {
		got := s.Sample(parent, parameters(context.Background(), parent))
		if !sameState(got.Tracestate, parent.TraceState()) {
			t.Errorf("tracestate %q, want the parent's %q", got.Tracestate, parent.TraceState())
		}
	})
}

func TestAttributesAreNeitherAskedNorAdded(t *testing.T) {
	forEach(t, func(t *testing.T, s sdkseam.Sampler, parent trace.SpanContext) {
		if s.AsksAttributes() {
			t.Error("AsksAttributes() = true")
		}
		p := parameters(context.Background(), parent)
		p.Attributes = []attribute.KeyValue{attribute.Bool("sampling.priority", true)}
		if got := s.Sample(parent, p); len(got.Attributes) != 0 {
			t.Errorf("attributes %v added", got.Attributes)
		}
	})
}

func TestNilContextIsNoParent(t *testing.T) {
	var none context.Context
	for _, s := range conforming(t) {
		t.Run(s.Description(), func(t *testing.T) {
			want := s.ShouldSample(parameters(context.Background(), trace.SpanContext{}))
			got := s.ShouldSample(parameters(none, trace.SpanContext{}))
			if got.Decision != want.Decision {
				t.Errorf("decision %v, want %v", got.Decision, want.Decision)
			}
		})
	}
}

func TestDecisionsDoNotAllocate(t *testing.T) {
	forEach(t, func(t *testing.T, s sdkseam.Sampler, parent trace.SpanContext) {
		// The context of a deferred trace: the longest way through every sampler.
		ctx := seam.ContextWithDecision(context.Background(), seam.Deferred, parent.TraceID())
		p := parameters(trace.ContextWithSpanContext(ctx, parent), parent)
		if n := testing.AllocsPerRun(100, func() { s.Sample(parent, p) }); n != 0 {
			t.Errorf("Sample: %v allocations", n)
		}
		if n := testing.AllocsPerRun(100, func() { s.ShouldSample(p) }); n != 0 {
			t.Errorf("ShouldSample: %v allocations", n)
		}
	})
}

func TestDecisionsAreSafeForConcurrentUse(t *testing.T) {
	forEach(t, func(t *testing.T, s sdkseam.Sampler, parent trace.SpanContext) {
		p := parameters(context.Background(), parent)
		want := s.Sample(parent, p).Decision
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 100 {
					if got := s.Sample(parent, p).Decision; got != want {
						t.Errorf("decision %v, want %v", got, want)
					}
				}
			})
		}
		wg.Wait()
	})
}

func sameState(a, b trace.TraceState) bool { return a.String() == b.String() }

// sampled asks s about the trace with the given ID, as a tracer that starts it does.
func sampled(s sdktrace.Sampler, id trace.TraceID) bool {
	p := sdktrace.SamplingParameters{ParentContext: context.Background(), TraceID: id}
	return s.ShouldSample(p).Decision == sdktrace.RecordAndSample
}
