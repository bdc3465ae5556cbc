package span_test

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/internal/seam"
	"github.com/meshtrace/meshtrace/span"
)

func TestKind(t *testing.T) {
	for _, tt := range []struct {
		rule       string
		kind, want trace.SpanKind
	}{
		{"the default is internal", trace.SpanKindUnspecified, trace.SpanKindInternal},
		{"one that is not in the specification is internal", 99, trace.SpanKindInternal},
		{"internal", trace.SpanKindInternal, trace.SpanKindInternal},
		{"server", trace.SpanKindServer, trace.SpanKindServer},
		{"client", trace.SpanKindClient, trace.SpanKindClient},
		{"producer", trace.SpanKindProducer, trace.SpanKindProducer},
		{"consumer", trace.SpanKindConsumer, trace.SpanKindConsumer},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			var asked trace.SpanKind
			sampler := samplerFunc(func(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
				asked = p.Kind
				return sdktrace.SamplingResult{Decision: sdktrace.RecordAndSample}
			})
			got := spansOf(t, span.Config{Sampler: sampler}, func(tracer trace.Tracer) {
				_, s := tracer.Start(context.Background(), "test", trace.WithSpanKind(tt.kind))
				s.End()
			})[0].SpanKind
			if got != tt.want || asked != tt.want {
				t.Errorf("kind %v, sampler asked for %v, want %v", got, asked, tt.want)
			}
		})
	}
}

// parentTests are the ways to say what the parent is. Whoever only knows OpenTelemetry's interfaces
// finds the same parent in its context as the span has, whichever way the span was started.
var parentTests = []struct {
	rule    string
	ctx     trace.SpanContext // in the context
	start   seam.Start
	want    trace.SpanContext
	atStart trace.SpanContext // in OnStart's context, which for a new root is the caller's
}{
	{"no parent", trace.SpanContext{}, seam.Start{}, trace.SpanContext{}, trace.SpanContext{}},
	{"the context's", remote(1), seam.Start{}, remote(1), remote(1)},
	{"a remote one beside the context", trace.SpanContext{}, seam.Start{Parent: remote(1)}, remote(1), remote(1)},
	{"a remote one over the context's", linked(1), seam.Start{Parent: remote(1)}, remote(1), remote(1)},
	{"none for a new root", remote(1), seam.Start{NewRoot: true}, trace.SpanContext{}, remote(1)},
	{"none for a new root, even beside the context", linked(1), seam.Start{NewRoot: true, Parent: remote(1)}, trace.SpanContext{}, linked(1)},
}

func TestParent(t *testing.T) {
	// Each alone: none may depend on another one that needs the same.
	foreign := map[string]func(saw *trace.SpanContext) span.Config{
		"nobody": func(*trace.SpanContext) span.Config { return span.Config{} },
		"sampler": func(saw *trace.SpanContext) span.Config {
			return span.Config{Sampler: samplerFunc(func(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
				*saw = trace.SpanContextFromContext(p.ParentContext)
				return sdktrace.SamplingResult{Decision: sdktrace.RecordAndSample}
			})}
		},
		"ID generator": func(saw *trace.SpanContext) span.Config {
			return span.Config{IDGenerator: generator(func(ctx context.Context) { *saw = trace.SpanContextFromContext(ctx) })}
		},
		"processor": func(saw *trace.SpanContext) span.Config {
			return span.Config{Processors: []sdktrace.SpanProcessor{processor{onStart: func(ctx context.Context, _ sdktrace.ReadWriteSpan) {
				*saw = trace.SpanContextFromContext(ctx)
			}}}}
		},
	}
	for _, tt := range parentTests {
		for who, config := range foreign {
			t.Run(tt.rule+", seen by "+who, func(t *testing.T) {
				var saw trace.SpanContext
				cfg, exported := config(&saw), new(sink)
				cfg.Exporter = exported
				ctx := trace.ContextWithSpanContext(context.Background(), tt.ctx)
				_, s := newProvider(t, cfg).Tracer("test").(seam.Starter).StartSpan(ctx, tt.start)
				s.End()

				got := exported.spans()[0]
				if !got.Parent.Equal(tt.want) {
					t.Errorf("parent %v, want %v", got.Parent, tt.want)
				}
				if continues := got.SpanContext.TraceID() == remote(1).TraceID(); continues != tt.want.IsValid() {
					t.Errorf("the span is in trace %v, its parent in %v", got.SpanContext.TraceID(), tt.want.TraceID())
				}
				want := tt.want
				switch who {
				case "nobody":
					return
				case "processor":
					want = tt.atStart
				}
				if !saw.Equal(want) {
					t.Errorf("the %s found %v in its context, want %v", who, saw, want)
				}
			})
		}
	}
}

// generator makes fixed IDs, and tells of its context.
type generator func(context.Context)

func (g generator) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	g(ctx)
	return trace.TraceID{9}, trace.SpanID{9}
}

func (g generator) NewSpanID(ctx context.Context, _ trace.TraceID) trace.SpanID {
	g(ctx)
	return trace.SpanID{9}
}

// ourSampler is one that is told the parent.
type ourSampler struct {
	asks     bool
	decision sdktrace.SamplingDecision
	told     func(trace.SpanContext, sdktrace.SamplingParameters) // may be nil
}

func (s ourSampler) Sample(parent trace.SpanContext, p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	if s.told != nil {
		s.told(parent, p)
	}
	return sdktrace.SamplingResult{Decision: s.decision, Tracestate: parent.TraceState()}
}

func (s ourSampler) ShouldSample(sdktrace.SamplingParameters) sdktrace.SamplingResult {
	panic("a sampler of ours is asked by the seam")
}

func (s ourSampler) AsksAttributes() bool { return s.asks }
func (s ourSampler) Description() string  { return "ours" }

func TestASamplerOfOursIsToldTheParent(t *testing.T) {
	for _, tt := range parentTests {
		t.Run(tt.rule, func(t *testing.T) {
			var told trace.SpanContext
			var params sdktrace.SamplingParameters
			sampler := ourSampler{told: func(parent trace.SpanContext, p sdktrace.SamplingParameters) { told, params = parent, p }}
			tracer := newProvider(t, span.Config{Sampler: sampler}).Tracer("test")
			ctx := trace.ContextWithSpanContext(context.Background(), tt.ctx)
			start := tt.start
			start.Name, start.Kind, start.Attrs, start.Links = "test", trace.SpanKindServer, ints(1, 2), []trace.Link{{SpanContext: linked(2)}}
			_, s := tracer.(seam.Starter).StartSpan(ctx, start)
			defer s.End()
			want := sdktrace.SamplingParameters{
				ParentContext: ctx,
				TraceID:       s.SpanContext().TraceID(),
				Name:          start.Name,
				Kind:          start.Kind,
				Attributes:    start.Attrs,
				Links:         start.Links,
			}
			if !reflect.DeepEqual(params, want) {
				t.Errorf("asked about %+v, want %+v", params, want)
			}
			if !told.Equal(tt.want) || s.SpanContext().TraceState().Len() != tt.want.TraceState().Len() {
				t.Errorf("told %v, want %v; tracestate %q", told, tt.want, s.SpanContext().TraceState())
			}
		})
	}
}

func TestAsksAttributes(t *testing.T) {
	watching := []sdktrace.SpanProcessor{processor{}}
	for _, tt := range []struct {
		rule string
		cfg  span.Config
		want bool
	}{
		{"the default sampler does not look", span.Config{}, false},
		{"nor does a sampler of ours that says so", span.Config{Sampler: ourSampler{asks: false}}, false},
		{"one of ours may", span.Config{Sampler: ourSampler{asks: true}}, true},
		{"a foreign sampler may", span.Config{Sampler: sdktrace.AlwaysSample()}, true},
		{"a processor sees them in OnStart", span.Config{Processors: watching}, true},
		{"an exporter sees them at the end", span.Config{Exporter: new(sink)}, false},
		{"so does a foreign one", span.Config{Exporter: newMemory()}, false},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			tracer := newProvider(t, tt.cfg).Tracer("test").(seam.Starter)
			if got := tracer.AsksAttributes(); got != tt.want {
				t.Errorf("AsksAttributes() = %v, want %v", got, tt.want)
			}
		})
	}
}

// subject is a seam.Subject that counts how often it is asked.
type subject struct {
	attrs []attribute.KeyValue
	asked int
}

func (s *subject) AppendAttributes(dst []attribute.KeyValue) []attribute.KeyValue {
	s.asked++
	return append(dst, s.attrs...)
}

func TestASubjectIsAskedWhenItsAttributesAreNeeded(t *testing.T) {
	drop := ourSampler{decision: sdktrace.Drop}
	for _, tt := range []struct {
		rule string
		cfg  span.Config
		want int
	}{
		{"by a span that records", span.Config{}, 1},
		{"by no span that is dropped", span.Config{Sampler: drop}, 0},
		{"by a sampler that looks", span.Config{Sampler: ourSampler{asks: true, decision: sdktrace.Drop}}, 1},
		{"by a foreign sampler", span.Config{Sampler: sdktrace.NeverSample()}, 1},
		{"once, by a foreign sampler and the span", span.Config{Sampler: sdktrace.AlwaysSample()}, 1},
		{"once, by a processor and the span", span.Config{Processors: []sdktrace.SpanProcessor{processor{}}}, 1},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			var about subject
			p := newProvider(t, tt.cfg)
			tracer := p.Tracer("test").(seam.Starter)
			_, s := tracer.StartSpan(t.Context(), seam.Start{Name: "test", Subject: &about})
			s.End()
			if about.asked != tt.want {
				t.Errorf("asked %d times, want %d", about.asked, tt.want)
			}
			p.Shutdown(t.Context())
			tracer.StartSpan(t.Context(), seam.Start{Name: "late", Subject: &about})
			if about.asked != tt.want {
				t.Error("asked after the shutdown")
			}
		})
	}
}

func TestWhoLooksSeesASubjectsAttributes(t *testing.T) {
	var sampled, started []attribute.KeyValue
	about, attrs := &subject{attrs: ints(2, 3)}, append(make([]attribute.KeyValue, 0, 8), ints(1, 1)...)
	cfg := span.Config{
		Sampler: samplerFunc(func(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
			sampled = p.Attributes
			return sdktrace.SamplingResult{Decision: sdktrace.RecordAndSample}
		}),
		Processors: []sdktrace.SpanProcessor{processor{onStart: func(_ context.Context, s sdktrace.ReadWriteSpan) { started = s.Attributes() }}},
	}
	ended := spansOf(t, cfg, func(tracer trace.Tracer) {
		_, s := tracer.(seam.Starter).StartSpan(t.Context(), seam.Start{Attrs: attrs, Subject: about})
		s.End()
	})[0].Attributes
	for who, got := range map[string][]attribute.KeyValue{"sampler": sampled, "processor": started, "record": ended} {
		if diff := cmp.Diff(ints(1, 3), got, equal); diff != "" {
			t.Errorf("the %s has (-want +got):\n%s", who, diff)
		}
	}
	if spare := attrs[1:2][0]; spare.Valid() {
		t.Errorf("%v was written behind the caller's slice", spare)
	}
}

func TestASubjectsAttributesHaveLimits(t *testing.T) {
	long := attribute.String("long", "12345")
	for _, tt := range []struct {
		rule    string
		limits  span.Limits
		before  []attribute.KeyValue // of Start
		subject []attribute.KeyValue
		want    []attribute.KeyValue
		dropped int
	}{
		{"within them all are kept", span.Limits{Attributes: 3}, nil, ints(1, 3), ints(1, 3), 0},
		{"beyond them the first", span.Limits{Attributes: 3}, nil, ints(1, 5), ints(1, 3), 2},
		{"those of Start come before", span.Limits{Attributes: 3}, ints(1, 2), ints(3, 5), ints(1, 3), 2},
		{"what both lose is counted", span.Limits{Attributes: 2}, ints(1, 3), ints(4, 5), ints(1, 2), 3},
		{"the last value of a key wins", span.Limits{}, []attribute.KeyValue{attribute.Int("2", 0)}, ints(1, 2), ints(1, 2), 0},
		{"values are cut", span.Limits{ValueLength: 3}, nil, []attribute.KeyValue{long}, []attribute.KeyValue{attribute.String("long", "123")}, 0},
		{"without a limit there is none", span.Limits{Attributes: -1}, nil, ints(1, 300), ints(1, 300), 0},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			exported := new(sink) // and nobody who looks at the start
			tracer := newProvider(t, span.Config{Limits: tt.limits, Exporter: exported}).Tracer("test").(seam.Starter)
			_, s := tracer.StartSpan(t.Context(), seam.Start{Attrs: tt.before, Subject: &subject{attrs: tt.subject}})
			s.End()
			got := exported.spans()[0]
			if diff := cmp.Diff(tt.want, got.Attributes, equal); diff != "" || got.DroppedAttributes != tt.dropped {
				t.Errorf("%d attributes dropped, want %d; kept (-want +got):\n%s", got.DroppedAttributes, tt.dropped, diff)
			}
		})
	}
}

// Spec: OpenTelemetry Trace SDK, Sampling.
func TestSamplingResult(t *testing.T) {
	state, err := trace.ParseTraceState("sampler=1")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		rule           string
		decision       sdktrace.SamplingDecision
		records, flags bool
	}{
		{"drop", sdktrace.Drop, false, false},
		{"record only", sdktrace.RecordOnly, true, false},
		{"record and sample", sdktrace.RecordAndSample, true, true},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			sampler := samplerFunc(func(sdktrace.SamplingParameters) sdktrace.SamplingResult {
				return sdktrace.SamplingResult{
					Decision:   tt.decision,
					Attributes: []attribute.KeyValue{attribute.String("by", "sampler"), attribute.String("both", "sampler")},
					Tracestate: state,
				}
			})
			spans := spansOf(t, span.Config{Sampler: sampler}, func(tracer trace.Tracer) {
				ctx := trace.ContextWithRemoteSpanContext(context.Background(), remote(trace.FlagsSampled))
				_, s := tracer.Start(ctx, "test", trace.WithAttributes(attribute.String("both", "start")))
				if s.IsRecording() != tt.records || s.SpanContext().IsSampled() != tt.flags {
					t.Errorf("recording %v, sampled %v, want %v, %v", s.IsRecording(), s.SpanContext().IsSampled(), tt.records, tt.flags)
				}
				if got := s.SpanContext().TraceState().String(); got != state.String() {
					t.Errorf("tracestate %q, want the sampler's, %q", got, state)
				}
				s.End()
			})
			if !tt.records {
				if len(spans) != 0 {
					t.Errorf("%d spans ended, want none", len(spans))
				}
				return
			}
			want := []attribute.KeyValue{attribute.String("by", "sampler"), attribute.String("both", "start")}
			if diff := cmp.Diff(want, spans[0].Attributes, equal); diff != "" {
				t.Errorf("attributes (-want +got):\n%s", diff)
			}
		})
	}
}

// A middleware uses the slices of a start again, and a sampler may keep or sort what it is asked
// about: attribute.NewSet does.
func TestASamplerGetsSlicesOfItsOwn(t *testing.T) {
	sampler := samplerFunc(func(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
		clear(p.Attributes)
		clear(p.Links)
		return sdktrace.SamplingResult{Decision: sdktrace.RecordAndSample}
	})
	attrs, links := ints(1, 3), []trace.Link{{SpanContext: remote(0)}}
	lent := seam.Start{Attrs: slices.Clone(attrs), Links: slices.Clone(links)}
	got := spansOf(t, span.Config{Sampler: sampler}, func(tracer trace.Tracer) {
		_, s := tracer.(seam.Starter).StartSpan(context.Background(), lent)
		s.End()
	})[0]
	if diff := cmp.Diff(attrs, lent.Attrs, equal) + cmp.Diff(links, lent.Links, equal); diff != "" {
		t.Errorf("the caller's slices (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(attrs, got.Attributes, equal); diff != "" || len(got.Links) != 1 {
		t.Errorf("links %v, attributes (-want +got):\n%s", got.Links, diff)
	}
}

func TestStartCopiesTheCallersSlices(t *testing.T) {
	lent := seam.Start{
		Attrs: ints(1, 3),
		Links: []trace.Link{{SpanContext: remote(0), Attributes: ints(1, 3)}},
	}
	got := spansOf(t, span.Config{}, func(tracer trace.Tracer) {
		_, s := tracer.(seam.Starter).StartSpan(context.Background(), lent)
		clear(lent.Links[0].Attributes)
		clear(lent.Attrs)
		clear(lent.Links)
		s.End()
	})[0]
	if diff := cmp.Diff(ints(1, 3), got.Attributes, equal); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(ints(1, 3), got.Links[0].Attributes, equal); diff != "" {
		t.Errorf("attributes of a link (-want +got):\n%s", diff)
	}
}

func TestChildSpanCount(t *testing.T) {
	drop := samplerFunc(func(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
		if p.Name == "dropped" {
			return sdktrace.SamplingResult{Decision: sdktrace.Drop}
		}
		return sdktrace.SamplingResult{Decision: sdktrace.RecordAndSample}
	})
	for _, tt := range []struct {
		rule string
		do   func(ctx context.Context, tracer trace.Tracer)
		want int
	}{
		{"no children", func(context.Context, trace.Tracer) {}, 0},
		{"children that record", func(ctx context.Context, tracer trace.Tracer) {
			tracer.Start(ctx, "child")
			tracer.Start(context.WithoutCancel(ctx), "child")
		}, 2},
		{"a child that is dropped has a parent, too", func(ctx context.Context, tracer trace.Tracer) {
			tracer.Start(ctx, "dropped")
		}, 1},
		{"grandchildren are not children", func(ctx context.Context, tracer trace.Tracer) {
			ctx, _ = tracer.Start(ctx, "child")
			tracer.Start(ctx, "grandchild")
		}, 1},
		{"a new root is nobody's child", func(ctx context.Context, tracer trace.Tracer) {
			tracer.Start(ctx, "root", trace.WithNewRoot())
		}, 0},
		{"a child of a remote parent is another's", func(ctx context.Context, tracer trace.Tracer) {
			tracer.(seam.Starter).StartSpan(ctx, seam.Start{Parent: remote(1)})
		}, 0},
		{"children that start after the end do not count", func(ctx context.Context, tracer trace.Tracer) {
			trace.SpanFromContext(ctx).End()
			tracer.Start(ctx, "child")
		}, 0},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			var live sdktrace.ReadOnlySpan
			spans := spansOf(t, span.Config{Sampler: drop}, func(tracer trace.Tracer) {
				ctx, s := tracer.Start(context.Background(), "parent")
				live = s.(sdktrace.ReadOnlySpan)
				tt.do(ctx, tracer)
				if got := live.ChildSpanCount(); got != tt.want {
					t.Errorf("before the end %d children, want %d", got, tt.want)
				}
				s.End()
			})
			if got := spans[0].ChildSpanCount; got != tt.want || live.ChildSpanCount() != tt.want {
				t.Errorf("at the end %d children, after it %d, want %d", got, live.ChildSpanCount(), tt.want)
			}
		})
	}
}

// A subject that writes into the record itself is worth what SetAttributes would have been.
func TestDescribeByIsSetAttributes(t *testing.T) {
	long := strings.Repeat("x", 20)
	cfg := span.Config{Limits: span.Limits{Attributes: 4, ValueLength: 10}}
	for rule, attrs := range map[string][]attribute.KeyValue{
		"nothing":                nil,
		"new keys":               {attribute.Int("c", 3), attribute.Int("d", 4)},
		"the last value wins":    {attribute.Int("a", 10), attribute.Int("c", 3), attribute.Int("b", 20)},
		"without a key":          {attribute.Int("", 1), attribute.Int("c", 3)},
		"past the limit":         {attribute.Int("c", 3), attribute.Int("d", 4), attribute.Int("e", 5), attribute.Int("a", 10)},
		"a value past its limit": {attribute.String("a", long), attribute.String("c", long)},
	} {
		t.Run(rule, func(t *testing.T) {
			with := func(describe func(trace.Span)) tracetest.SpanStub {
				return spanOf(t, cfg, func(s trace.Span) {
					s.SetAttributes(attribute.Int("a", 1), attribute.Int("b", 2))
					describe(s)
					s.SetAttributes(attribute.Int("b", 200))
				})
			}
			want := with(func(s trace.Span) { s.SetAttributes(attrs...) })
			got := with(func(s trace.Span) { s.(seam.Describer).DescribeBy(&subject{attrs: attrs}) })
			if diff := cmp.Diff(want.Attributes, got.Attributes, equal); diff != "" || got.DroppedAttributes != want.DroppedAttributes {
				t.Errorf("%d dropped, want %d\n%s", got.DroppedAttributes, want.DroppedAttributes, diff)
			}
		})
	}
}

func TestAnEndedSpanAsksNoSubject(t *testing.T) {
	_, s := newProvider(t, span.Config{}).Tracer("").Start(t.Context(), "test")
	s.End()
	var about subject
	if s.(seam.Describer).DescribeBy(&about); about.asked != 0 {
		t.Error("asked in vain")
	}
}
