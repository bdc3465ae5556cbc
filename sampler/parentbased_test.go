package sampler_test

import (
	"context"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/internal/sdkseam"
	"github.com/meshtrace/meshtrace/internal/seam"
	"github.com/meshtrace/meshtrace/sampler"
)

var (
	noTrace = trace.TraceID{}
	always  = sdktrace.AlwaysSample()
	never   = sdktrace.NeverSample()
)

var decisionTests = []struct {
	rule    string
	parent  trace.SpanContext
	said    seam.Decision // beside the parent
	about   trace.TraceID
	root    sdktrace.Sampler
	sampled bool
}{
	{"no parent: root decides for", trace.SpanContext{}, seam.NoDecision, noTrace, always, true},
	{"no parent: root decides against", trace.SpanContext{}, seam.NoDecision, noTrace, never, false},
	{"no root: every trace", trace.SpanContext{}, seam.NoDecision, noTrace, nil, true},
	{"a remote parent's flag is followed for", parent(above, true, true), seam.NoDecision, noTrace, never, true},
	{"a remote parent's flag is followed against", parent(above, true, false), seam.NoDecision, noTrace, always, false},
	{"a local parent's flag is followed for", parent(above, false, true), seam.NoDecision, noTrace, never, true},
	{"a local parent's flag is followed against", parent(above, false, false), seam.NoDecision, noTrace, always, false},

	{"deferred: root decides for", parent(above, true, false), seam.Deferred, above, always, true},
	{"deferred: root decides against", parent(above, true, false), seam.Deferred, above, never, false},
	{"deferred: root sees the trace ID", parent(below, true, false), seam.Deferred, below, must(sampler.Percent(50)), true},
	{"deferred: a ParentBased root sees it too", parent(above, true, false), seam.Deferred, above, sampler.ParentBased(always), true},
	{"debug is sampled whatever root says", parent(above, true, false), seam.Debug, above, never, true},
	{"accept is sampled whatever the flag says", parent(above, true, false), seam.Accept, above, never, true},
	{"deny is dropped whatever the flag says", parent(above, true, true), seam.Deny, above, always, false},

	{"deny-only", trace.SpanContext{}, seam.Deny, noTrace, always, false},
	{"accept-only", trace.SpanContext{}, seam.Accept, noTrace, never, true},
	{"debug-only", trace.SpanContext{}, seam.Debug, noTrace, never, true},
	{"deferred-only: root decides", trace.SpanContext{}, seam.Deferred, noTrace, never, false},

	{"a word about no trace does not count for a remote parent", parent(above, true, true), seam.Deny, noTrace, always, true},
	{"a word about another trace does not count", parent(above, true, false), seam.Debug, below, always, false},
	{"a word about a trace does not count for a new one", trace.SpanContext{}, seam.Debug, above, never, false},
	{"a local parent has the word in its flag", parent(above, false, false), seam.Debug, above, always, false},
	{"a local parent outlives a deferral", parent(above, false, true), seam.Deferred, above, never, true},
	{"a parent without a span ID is none", trace.NewSpanContext(trace.SpanContextConfig{TraceID: above, Remote: true}),
		seam.Deny, noTrace, always, false},
}

func TestParentBased(t *testing.T) {
	for _, tt := range decisionTests {
		t.Run(tt.rule, func(t *testing.T) {
			ctx := context.Background()
			if tt.said != seam.NoDecision {
				ctx = seam.ContextWithDecision(ctx, tt.said, tt.about)
			}
			s := sampler.ParentBased(tt.root).(sdkseam.Sampler)
			want := sdktrace.Drop
			if tt.sampled {
				want = sdktrace.RecordAndSample
			}
			if got := s.Sample(tt.parent, parameters(ctx, tt.parent)); got.Decision != want {
				t.Errorf("Sample: %v, want %v", got.Decision, want)
			}
			ctx = trace.ContextWithSpanContext(ctx, tt.parent)
			if got := s.ShouldSample(parameters(ctx, tt.parent)); got.Decision != want {
				t.Errorf("ShouldSample: %v, want %v", got.Decision, want)
			}
		})
	}
}

func TestParentBasedIsOpenTelemetrysWhereB3SaidNothing(t *testing.T) {
	for _, root := range []sdktrace.Sampler{always, never, must(sampler.Percent(50)), sdktrace.TraceIDRatioBased(0.5)} {
		ours, theirs := sampler.ParentBased(root), sdktrace.ParentBased(root)
		for _, tt := range parents {
			p := parameters(trace.ContextWithSpanContext(context.Background(), tt.sc), tt.sc)
			got, want := ours.ShouldSample(p), theirs.ShouldSample(p)
			if got.Decision != want.Decision || !sameState(got.Tracestate, want.Tracestate) {
				t.Errorf("%s, root %s: %+v, want %+v", tt.name, root.Description(), got, want)
			}
		}
	}
}

// spy is a sampler of somebody else that remembers what it was asked.
type spy struct{ asked []sdktrace.SamplingParameters }

func (s *spy) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	s.asked = append(s.asked, p)
	state, _ := trace.ParseTraceState("spy=1")
	return sdktrace.SamplingResult{
		Decision:   sdktrace.RecordOnly,
		Attributes: []attribute.KeyValue{attribute.Bool("spied", true)},
		Tracestate: state,
	}
}

func (s *spy) Description() string { return "spy" }

func TestAForeignRootFindsTheParentInTheContext(t *testing.T) {
	deferred := parent(above, true, false)
	stale := trace.ContextWithSpanContext(context.Background(), parent(below, false, true))
	for _, tt := range []struct {
		rule   string
		parent trace.SpanContext
		ctx    context.Context
	}{
		{"that is not there yet", deferred, context.Background()},
		{"in place of another", deferred, stale},
		{"that differs in the tracestate only", deferred,
			trace.ContextWithSpanContext(context.Background(), deferred.WithTraceState(trace.TraceState{}))},
		{"and none if there is none", trace.SpanContext{}, stale},
		{"even if there is no context to put it in", trace.SpanContext{}.WithTraceID(above), nil},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			ctx := tt.ctx
			if tt.parent.IsValid() {
				ctx = seam.ContextWithDecision(ctx, seam.Deferred, tt.parent.TraceID())
			}
			var root spy
			p := parameters(ctx, tt.parent)
			sampler.ParentBased(&root).(sdkseam.Sampler).Sample(tt.parent, p)
			if len(root.asked) != 1 {
				t.Fatalf("root was asked %d times, want once", len(root.asked))
			}
			asked := root.asked[0]
			if got := trace.SpanContextFromContext(asked.ParentContext); !got.Equal(tt.parent) {
				t.Errorf("parent %+v, want %+v", got, tt.parent)
			}
			if asked.TraceID != p.TraceID || asked.Name != p.Name {
				t.Errorf("asked about %v %q, want %v %q", asked.TraceID, asked.Name, p.TraceID, p.Name)
			}
		})
	}
}

func TestAForeignRootKeepsItsContextAndItsAnswer(t *testing.T) {
	type key struct{}
	ctx := context.WithValue(context.Background(), key{}, "route")
	var s spy
	got := sampler.ParentBased(&s).ShouldSample(parameters(ctx, trace.SpanContext{}))
	if len(s.asked) != 1 || s.asked[0].ParentContext != ctx {
		t.Errorf("root was asked with %v, want the tracer's own context", s.asked)
	}
	if got.Decision != sdktrace.RecordOnly || len(got.Attributes) != 1 || got.Tracestate.Get("spy") != "1" {
		t.Errorf("result %+v, want the root's", got)
	}
}

func TestWhoAsksAttributes(t *testing.T) {
	for _, tt := range []struct {
		rule string
		root sdktrace.Sampler
		want bool
	}{
		{"not AlwaysSample", always, false},
		{"not NeverSample", never, false},
		{"not our own", must(sampler.Ratio(0.5)), false},
		{"perhaps one of somebody else", &spy{}, true},
		{"perhaps one of somebody else, further down", sampler.ParentBased(&spy{}), true},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			s := sampler.ParentBased(tt.root).(sdkseam.Sampler)
			if got := s.AsksAttributes(); got != tt.want {
				t.Errorf("AsksAttributes() = %t, want %t", got, tt.want)
			}
		})
	}
}

func TestParentBasedDescribesItsRoot(t *testing.T) {
	for want, root := range map[string]sdktrace.Sampler{
		"ParentBased{root:AlwaysOnSampler}":  nil,
		"ParentBased{root:AlwaysOffSampler}": never,
		"ParentBased{root:Percent{25}}":      must(sampler.Percent(25)),
		"ParentBased{root:spy}":              &spy{},
	} {
		if got := sampler.ParentBased(root).Description(); got != want {
			t.Errorf("Description() = %q, want %q", got, want)
		}
	}
}

func TestParentBasedInOpenTelemetrysSDK(t *testing.T) {
	provider := sdktrace.NewTracerProvider(sdktrace.WithSampler(sampler.ParentBased(always)))
	defer provider.Shutdown(t.Context())
	for _, tt := range decisionTests {
		if tt.root != always {
			continue
		}
		t.Run(tt.rule, func(t *testing.T) {
			ctx := seam.ContextWithDecision(t.Context(), tt.said, tt.about)
			ctx = trace.ContextWithSpanContext(ctx, tt.parent)
			_, span := provider.Tracer("").Start(ctx, "GET /")
			defer span.End()
			sc := span.SpanContext()
			if sc.IsSampled() != tt.sampled {
				t.Errorf("sampled %t, want %t", sc.IsSampled(), tt.sampled)
			}
			if !sameState(sc.TraceState(), tt.parent.TraceState()) {
				t.Errorf("tracestate %q, want %q", sc.TraceState(), tt.parent.TraceState())
			}
		})
	}
}
