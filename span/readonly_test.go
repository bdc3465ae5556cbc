package span_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/internal/seam"
	"github.com/meshtrace/meshtrace/span"
)

// Spec: OpenTelemetry Trace SDK, Span Processor, OnStart.
func TestProcessorsReadAndWriteALiveSpan(t *testing.T) {
	when := time.Unix(1700000000, 0)
	var live sdktrace.ReadWriteSpan
	var atStart tracetest.SpanStub
	watching := processor{onStart: func(_ context.Context, s sdktrace.ReadWriteSpan) {
		live, atStart = s, tracetest.SpanStubFromReadOnlySpan(s)
		s.SetAttributes(attribute.String("by", "processor"))
	}}
	var open, ended tracetest.SpanStub
	spans := spansOf(t, span.Config{Processors: []sdktrace.SpanProcessor{watching}}, func(tracer trace.Tracer) {
		ctx := trace.ContextWithRemoteSpanContext(context.Background(), remote(trace.FlagsSampled))
		_, s := tracer.Start(ctx, "test",
			trace.WithTimestamp(when),
			trace.WithSpanKind(trace.SpanKindServer),
			trace.WithAttributes(attribute.Int("a", 1)),
			trace.WithLinks(trace.Link{SpanContext: remote(0)}))
		if live != s || live.TracerProvider() != s.TracerProvider() {
			t.Error("OnStart was given another span")
		}
		s.SetName("renamed")
		s.AddEvent("event", trace.WithTimestamp(when.Add(1)))
		s.SetStatus(codes.Error, "failed")
		open = tracetest.SpanStubFromReadOnlySpan(live)
		s.End(trace.WithTimestamp(when.Add(2)))
		ended = tracetest.SpanStubFromReadOnlySpan(live)
	})

	want := spans[0]
	want.Name, want.EndTime, want.Events, want.Status = "test", time.Time{}, nil, sdktrace.Status{}
	want.Attributes = []attribute.KeyValue{attribute.Int("a", 1)}
	if diff := gocmp.Diff(want, atStart, equal); diff != "" {
		t.Errorf("at the start (-want +got):\n%s", diff)
	}
	want.Name = "renamed"
	want.Attributes = append(want.Attributes, attribute.String("by", "processor"))
	want.Events = []sdktrace.Event{{Name: "event", Time: when.Add(1)}}
	want.Status = sdktrace.Status{Code: codes.Error, Description: "failed"}
	if diff := gocmp.Diff(want, open, equal); diff != "" {
		t.Errorf("while it records (-want +got):\n%s", diff)
	}
	want.EndTime = when.Add(2)
	if diff := gocmp.Diff(want, ended, equal); diff != "" {
		t.Errorf("after the end (-want +got):\n%s", diff)
	}
	if diff := gocmp.Diff(want, spans[0], equal); diff != "" {
		t.Errorf("in OnEnd (-want +got):\n%s", diff)
	}
}

// What a processor reads is its own: neither side sees what the other does to it later.
func TestWhatIsReadIsACopy(t *testing.T) {
	_, s := newProvider(t, span.Config{}).Tracer("test").Start(context.Background(), "test")
	defer s.End()
	fill := func(value int) {
		s.SetAttributes(attribute.Int("a", value))
		s.AddEvent(fmt.Sprint(value))
		s.AddLink(trace.Link{SpanContext: linked(value)})
	}
	live := s.(sdktrace.ReadOnlySpan)
	fill(1)
	attrs, events, links := live.Attributes(), live.Events(), live.Links()
	fill(2)
	if attrs[0].Value.AsInt64() != 1 || len(events) != 1 || len(links) != 1 {
		t.Errorf("what was read has become %v, %v, %v", attrs, events, links)
	}
	attrs[0], events[0], links[0] = attribute.Int("changed", 0), sdktrace.Event{}, sdktrace.Link{}
	if live.Attributes()[0].Key != "a" || live.Events()[0].Name != "1" || !live.Links()[0].SpanContext.IsValid() {
		t.Error("who reads a span can change it")
	}
}

// Without processors nobody was promised more, and keeping it would cost every span a copy.
func TestWithoutProcessorsTheIdentityIsLeft(t *testing.T) {
	p := newProvider(t, span.Config{Exporter: new(sink)})
	_, s := p.Tracer("test").Start(context.Background(), "test", trace.WithAttributes(attribute.Int("a", 1)))
	live := s.(sdktrace.ReadOnlySpan)
	if live.Name() != "test" || len(live.Attributes()) != 1 {
		t.Error("a span that records cannot be read")
	}
	s.End()
	if !live.SpanContext().IsValid() || live.InstrumentationScope().Name != "test" || live.Resource() == nil {
		t.Error("a span that has ended has lost its identity")
	}
	if live.Name() != "" || len(live.Attributes()) != 0 {
		t.Error("a span that has ended holds on to what it recorded")
	}
}

// A run is a random program, and what came of it. The program makes the same calls on every tracer:
// it draws the same random numbers, whatever the tracer answers.
type run struct {
	*rand.Rand
	tracer trace.Tracer
	start  starter
	ctxs   []context.Context // ctxs[0] has no span
	spans  []trace.Span
	now    time.Time

	kept    *tracetest.SpanRecorder
	asked   []sdktrace.SamplingParameters // without the context
	parents []trace.SpanContext           // which the sampler and processors found in their contexts
	started tracetest.SpanStubs           // as in OnStart
}

func newRun(seed uint64) *run {
	return &run{
		Rand: rand.New(rand.NewPCG(seed, 0)),
		ctxs: []context.Context{context.Background()},
		now:  time.Unix(1700000000, 0),
		kept: tracetest.NewSpanRecorder(),
	}
}

// A starter is a way to start a span.
type starter func(context.Context, trace.Tracer, seam.Start) (context.Context, trace.Span)

func byOptions(ctx context.Context, tracer trace.Tracer, s seam.Start) (context.Context, trace.Span) {
	if s.Parent.IsValid() && !s.NewRoot {
		ctx = trace.ContextWithRemoteSpanContext(ctx, s.Parent)
	}
	opts := []trace.SpanStartOption{
		trace.WithSpanKind(s.Kind), trace.WithAttributes(s.Attrs...), trace.WithLinks(s.Links...), trace.WithTimestamp(s.Time),
	}
	if s.NewRoot {
		opts = append(opts, trace.WithNewRoot())
	}
	return tracer.Start(ctx, s.Name, opts...)
}

func bySeam(ctx context.Context, tracer trace.Tracer, s seam.Start) (context.Context, trace.Span) {
	return tracer.(seam.Starter).StartSpan(ctx, s)
}

// bySubject leaves the attributes to the span's subject, if it can promise what it must.
func bySubject(ctx context.Context, tracer trace.Tracer, s seam.Start) (context.Context, trace.Span) {
	keys := make(map[attribute.Key]bool)
	for _, kv := range s.Attrs {
		if nested := kv.Value.Type() == attribute.SLICE || kv.Value.Type() == attribute.MAP; kv.Valid() && !nested {
			keys[kv.Key] = true
		}
	}
	if len(keys) == len(s.Attrs) {
		s.Subject, s.Attrs = &subject{attrs: s.Attrs}, nil
	}
	return bySeam(ctx, tracer, s)
}

// settings are the same for OpenTelemetry's provider and ours.
type settings struct {
	sampler    sdktrace.Sampler
	ids        sdktrace.IDGenerator
	processors []sdktrace.SpanProcessor
	limits     sdktrace.SpanLimits
	resource   *resource.Resource
}

func (r *run) settings() settings {
	return settings{
		sampler: samplerFunc(r.sample(r.sampler())),
		ids:     &sequence{},
		processors: []sdktrace.SpanProcessor{r.kept, processor{onStart: func(ctx context.Context, s sdktrace.ReadWriteSpan) {
			r.parents = append(r.parents, trace.SpanContextFromContext(ctx))
			r.started = append(r.started, tracetest.SpanStubFromReadOnlySpan(s))
			s.SetAttributes(attribute.Bool("processed", true))
		}}},
		limits: sdktrace.SpanLimits{
			AttributeValueLengthLimit:   []int{-1, 24}[r.IntN(2)],
			AttributeValueDepthLimit:    64,
			AttributeCountLimit:         r.limit(),
			EventCountLimit:             r.limit(),
			LinkCountLimit:              r.limit(),
			AttributePerEventCountLimit: r.limit(),
			AttributePerLinkCountLimit:  r.limit(),
		},
		resource: resource.NewSchemaless(attribute.String("service.name", "test")),
	}
}

func (r *run) limit() int { return []int{-1, 1, 3, 6, 128}[r.IntN(5)] }

// sample makes s tell what it is asked.
func (r *run) sample(s sdktrace.Sampler) func(sdktrace.SamplingParameters) sdktrace.SamplingResult {
	return func(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
		result := s.ShouldSample(p)
		r.parents = append(r.parents, trace.SpanContextFromContext(p.ParentContext))
		p.ParentContext, p.Kind = nil, trace.ValidateSpanKind(p.Kind)
		r.asked = append(r.asked, p)
		return result
	}
}

func (r *run) sampler() sdktrace.Sampler {
	return []sdktrace.Sampler{
		sdktrace.AlwaysSample(),
		sdktrace.TraceIDRatioBased(0.5),
		sdktrace.ParentBased(sdktrace.AlwaysSample()),
		sdktrace.ParentBased(sdktrace.TraceIDRatioBased(0.5),
			sdktrace.WithRemoteParentNotSampled(sdktrace.AlwaysSample()),
			sdktrace.WithLocalParentSampled(sdktrace.TraceIDRatioBased(0.8))),
		samplerFunc(func(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
			result := decide([]sdktrace.SamplingDecision{sdktrace.Drop, sdktrace.RecordOnly, sdktrace.RecordAndSample}[len(p.Attributes)%3])(p)
			result.Attributes = []attribute.KeyValue{attribute.String("0", "sampler"), attribute.String("sampler", "own")}
			return result
		}),
	}[r.IntN(5)]
}

// play makes n random calls, and then ends what has not ended.
func (r *run) play(n int) {
	for range n {
		r.step()
	}
	for _, s := range r.spans {
		s.End(r.time())
	}
}

func (r *run) step() {
	if len(r.spans) == 0 || r.IntN(4) == 0 {
		r.startSpan()
		return
	}
	s := r.spans[r.IntN(len(r.spans))]
	switch r.IntN(8) {
	case 0:
		s.SetAttributes(r.attributes(10, "")...)
	case 1:
		s.AddEvent(fmt.Sprint("event ", r.Uint32()), r.time(), trace.WithAttributes(r.unique()...))
	case 2:
		s.RecordError(errors.New(fmt.Sprint(r.Uint32())), r.time())
	case 3:
		s.AddLink(r.link())
	case 4:
		s.SetName(fmt.Sprint("renamed ", r.Uint32()))
	case 5:
		s.SetStatus(codes.Code(r.IntN(3)), fmt.Sprint(r.Uint32()))
	case 6:
		s.End(r.time())
	case 7:
		func() {
			defer func() { recover() }()
			defer s.End(trace.WithTimestamp(r.now))
			if r.IntN(4) == 0 {
				s.SetStatus(codes.Error, "panic")
			}
		}()
	}
}

func (r *run) startSpan() {
	parent := r.IntN(len(r.ctxs))
	s := seam.Start{
		Name:    fmt.Sprint("span ", r.Uint32()),
		Kind:    trace.SpanKind(r.IntN(8)),
		NewRoot: r.IntN(8) == 0 && parent == 0,
		Attrs:   r.attributes(6, ""),
		Time:    r.tick(),
	}
	for range r.IntN(4) {
		s.Links = append(s.Links, r.link())
	}
	if r.IntN(4) == 0 {
		s.Parent = remote(trace.TraceFlags(r.IntN(4)))
	}
	ctx, started := r.start(r.ctxs[parent], r.tracer, s)
	r.ctxs, r.spans = append(r.ctxs, ctx), append(r.spans, started)
}

// attributes returns up to n, with keys that come again, sometimes none.
func (r *run) attributes(n int, prefix string) (attrs []attribute.KeyValue) {
	for range r.IntN(n + 1) {
		key := fmt.Sprint(prefix, r.IntN(8))
		if r.IntN(20) == 0 {
			key = ""
		}
		attrs = append(attrs, attribute.KeyValue{Key: attribute.Key(key), Value: r.value(3)})
	}
	return attrs
}

// unique returns attributes of which no two have the same key, and that are too short to be cut.
func (r *run) unique() (attrs []attribute.KeyValue) {
	for _, i := range r.Perm(8)[:r.IntN(9)] {
		attrs = append(attrs, attribute.Int(fmt.Sprint(i), r.Int()))
	}
	return attrs
}

func (r *run) value(depth int) attribute.Value {
	text := strings.Repeat([]string{"a", "ä", "\U0001F600"}[r.IntN(3)], r.IntN(60))
	switch n := r.IntN(10); {
	case n == 0:
		return attribute.IntValue(r.Int())
	case n == 1:
		return attribute.Value{}
	case n == 2:
		return attribute.StringSliceValue([]string{text, "short", text})
	case n == 3:
		return attribute.ByteSliceValue([]byte(text))
	case n == 4 && depth > 0:
		var pairs []attribute.KeyValue
		for range r.IntN(10) {
			pairs = append(pairs, attribute.KeyValue{Key: attribute.Key(fmt.Sprint(r.IntN(5))), Value: r.value(depth - 1)})
		}
		return attribute.MapValue(pairs...)
	case n == 5 && depth > 0:
		return attribute.SliceValue(r.value(depth-1), r.value(depth-1))
	default:
		return attribute.StringValue(text)
	}
}

func (r *run) link() trace.Link {
	link := trace.Link{Attributes: r.unique()}
	if r.IntN(4) > 0 {
		link.SpanContext = linked(r.IntN(1000))
	}
	return link
}

func (r *run) tick() time.Time {
	r.now = r.now.Add(time.Duration(r.IntN(1000)))
	return r.now
}

func (r *run) time() trace.SpanEventOption { return trace.WithTimestamp(r.tick()) }

// outcome is what can be compared of two runs.
type outcome struct {
	Started, Live, Ended tracetest.SpanStubs
	Asked                []sdktrace.SamplingParameters
	Parents              []trace.SpanContext
	Contexts             []trace.SpanContext // of all spans that were started
}

func (r *run) outcome() outcome {
	o := outcome{Started: r.started, Asked: r.asked, Parents: r.parents}
	for _, s := range r.kept.Started() {
		o.Live = append(o.Live, tracetest.SpanStubFromReadOnlySpan(s))
	}
	o.Ended = tracetest.SpanStubsFromReadOnlySpans(r.kept.Ended())
	for _, s := range r.spans {
		o.Contexts = append(o.Contexts, s.SpanContext())
	}
	for _, spans := range []tracetest.SpanStubs{o.Started, o.Live, o.Ended} {
		for i := range spans {
			s := &spans[i]
			s.Attributes, s.Events, s.Links = byKey(s.Attributes), unlessEmpty(s.Events), unlessEmpty(s.Links)
			for i := range s.Events {
				s.Events[i].Attributes = byKey(s.Events[i].Attributes)
			}
			for i := range s.Links {
				s.Links[i].Attributes = byKey(s.Links[i].Attributes)
			}
		}
	}
	for i := range o.Asked {
		o.Asked[i].Attributes, o.Asked[i].Links = unlessEmpty(o.Asked[i].Attributes), unlessEmpty(o.Asked[i].Links)
	}
	return o
}

func byKey(attrs []attribute.KeyValue) []attribute.KeyValue {
	attrs = slices.Clone(attrs)
	slices.SortFunc(attrs, func(a, b attribute.KeyValue) int { return cmp.Compare(a.Key, b.Key) })
	return unlessEmpty(attrs)
}

func unlessEmpty[T any](list []T) []T {
	if len(list) == 0 {
		return nil
	}
	return slices.Clone(list)
}

// difference is quick where there is none.
func difference(want, got outcome) string {
	if reflect.DeepEqual(want, got) {
		return ""
	}
	return gocmp.Diff(want, got, equal)
}

// The same program leads to the same spans on OpenTelemetry's SDK and on ours, by every way to start
// a span, and everybody who may look on the way sees the same. What is different on purpose is in
// the next test.
func TestTheSameAsOpenTelemetrysSDK(t *testing.T) {
	const calls = 80
	seeds, ended := 150, 0
	if raceEnabled {
		seeds = 15 // one goroutine at a time: the race detector makes it slow, and has nothing to find
	}
	for seed := range uint64(seeds) {
		sdk, public, fast, subject := newRun(seed), newRun(seed), newRun(seed), newRun(seed)
		sdk.start, public.start, fast.start, subject.start = byOptions, byOptions, bySeam, bySubject
		set := sdk.settings()
		sdk.tracer = sdktrace.NewTracerProvider(
			sdktrace.WithSampler(set.sampler), sdktrace.WithIDGenerator(set.ids), sdktrace.WithRawSpanLimits(set.limits),
			sdktrace.WithResource(set.resource), sdktrace.WithSpanProcessor(set.processors[0]), sdktrace.WithSpanProcessor(set.processors[1]),
		).Tracer("test")
		for _, r := range []*run{public, fast, subject} {
			set := r.settings()
			r.tracer = newProvider(t, span.Config{
				Sampler: set.sampler, IDGenerator: set.ids, Resource: set.resource, Processors: set.processors,
				Exporter: new(sink), // poisons records
				Limits: span.Limits{
					Attributes:         set.limits.AttributeCountLimit,
					Events:             set.limits.EventCountLimit,
					Links:              set.limits.LinkCountLimit,
					AttributesPerEvent: set.limits.AttributePerEventCountLimit,
					AttributesPerLink:  set.limits.AttributePerLinkCountLimit,
					ValueLength:        set.limits.AttributeValueLengthLimit,
				},
			}).Tracer("test")
		}
		want := sdk.result(calls)
		ended += len(want.Ended)
		for way, r := range map[string]*run{"by options": public, "by the seam": fast, "by a subject": subject} {
			if diff := difference(want, r.result(calls)); diff != "" {
				t.Fatalf("seed %d: OpenTelemetry's SDK (-) and ours %s (+):\n%s", seed, way, diff)
			}
		}
	}
	if ended < seeds {
		t.Errorf("%d programs ended %d spans, and show little", seeds, ended)
	}
}

func (r *run) result(calls int) outcome {
	r.play(calls)
	return r.outcome()
}

// Nor is there a difference between the ways where nobody looks on, and nothing is done for their
// sake.
func TestAllWaysToStartAreTheSame(t *testing.T) {
	const seeds, calls = 20, 80
	random := cmpopts.IgnoreFields(tracetest.SpanStub{}, "SpanContext", "Parent")
	for seed := range uint64(seeds) {
		spans := func(start starter) tracetest.SpanStubs {
			r, exported := newRun(seed), new(sink)
			r.start = start
			r.tracer = newProvider(t, span.Config{Exporter: exported, Limits: span.Limits{Attributes: 4}}).Tracer("test")
			r.play(calls)
			return exported.spans()
		}
		want := spans(byOptions)
		for way, start := range map[string]starter{"by the seam": bySeam, "by a subject": bySubject} {
			if diff := gocmp.Diff(want, spans(start), equal, random); diff != "" {
				t.Fatalf("seed %d: by options (-) and %s (+):\n%s", seed, way, diff)
			}
		}
	}
}

// differences are those on purpose. Each row shows the same calls and what becomes of them.
var differences = []struct {
	rule string
	why  string
	do   func(trace.Tracer)
	look func(tracetest.SpanStub) any // at the first span that ends
	sdk  any
	ours any
}{
	{
		rule: "unknown trace flags are dropped",
		why:  "W3C Trace Context Level 2, section 3.2.2.5: nobody knows what they will promise",
		do: func(tracer trace.Tracer) {
			_, s := tracer.Start(trace.ContextWithSpanContext(context.Background(), remote(0xff)), "test")
			s.End()
		},
		look: func(s tracetest.SpanStub) any { return s.SpanContext.TraceFlags() },
		sdk:  trace.TraceFlags(0xff),
		ours: trace.FlagsSampled | trace.FlagsRandom,
	},
	{
		rule: "a root with IDs of our own says that they are random",
		why:  "W3C Trace Context Level 2, section 3.2.2.5.2: samplers downstream may then use them",
		do:   do(func(trace.Span) {}),
		look: func(s tracetest.SpanStub) any { return s.SpanContext.TraceFlags() },
		sdk:  trace.FlagsSampled,
		ours: trace.FlagsSampled | trace.FlagsRandom,
	},
	{
		rule: "an event's keys are unique, the last value wins",
		why:  "OpenTelemetry's specification, Attribute Collections: exported keys MUST be unique",
		do: do(func(s trace.Span) {
			s.AddEvent("event", trace.WithAttributes(attribute.Int("a", 1), attribute.Int("a", 2)))
		}),
		look: func(s tracetest.SpanStub) any { return s.Events[0].Attributes },
		sdk:  []attribute.KeyValue{attribute.Int("a", 1), attribute.Int("a", 2)},
		ours: []attribute.KeyValue{attribute.Int("a", 2)},
	},
	{
		rule: "a link's too",
		why:  "as for events",
		do: do(func(s trace.Span) {
			s.AddLink(trace.Link{SpanContext: remote(0), Attributes: []attribute.KeyValue{attribute.Int("a", 1), attribute.Int("a", 2)}})
		}),
		look: func(s tracetest.SpanStub) any { return s.Links[0].Attributes },
		sdk:  []attribute.KeyValue{attribute.Int("a", 1), attribute.Int("a", 2)},
		ours: []attribute.KeyValue{attribute.Int("a", 2)},
	},
	{
		rule: "an event's attribute without a key is dropped, and counted",
		why:  "OpenTelemetry's specification, Attribute: a key MUST be non-empty",
		do:   do(func(s trace.Span) { s.AddEvent("event", trace.WithAttributes(attribute.Int("", 1))) }),
		look: func(s tracetest.SpanStub) any {
			return [2]int{len(s.Events[0].Attributes), s.Events[0].DroppedAttributeCount}
		},
		sdk:  [2]int{1, 0},
		ours: [2]int{0, 1},
	},
	{
		rule: "an event's values are cut, too",
		why:  "a limit that a stack trace gets past is none",
		do:   do(func(s trace.Span) { s.AddEvent("event", trace.WithAttributes(attribute.String("a", "abcdefghij"))) }),
		look: func(s tracetest.SpanStub) any { return s.Events[0].Attributes[0].Value.AsString() },
		sdk:  "abcdefghij",
		ours: "abcdefgh",
	},
	{
		rule: "bytes that are not UTF-8 count, and stay for the exporter to mend",
		why:  "it has to, for values of any length",
		do:   do(func(s trace.Span) { s.SetAttributes(attribute.String("a", "a\xff\xffbcdefghij")) }),
		look: func(s tracetest.SpanStub) any { return s.Attributes[0].Value.AsString() },
		sdk:  "abcdefgh",
		ours: "a\xff\xffbcdef",
	},
	{
		rule: "what RecordError is given goes over what it says itself",
		why:  "OpenTelemetry's specification, Record Exception: additional attributes take precedence",
		do: do(func(s trace.Span) {
			s.RecordError(errors.New("own"), trace.WithAttributes(attribute.String("exception.message", "given")))
		}),
		look: func(s tracetest.SpanStub) any {
			var messages []string
			for _, kv := range s.Events[0].Attributes {
				if kv.Key == "exception.message" {
					messages = append(messages, kv.Value.AsString())
				}
			}
			return messages
		},
		sdk:  []string{"given", "own"},
		ours: []string{"given"},
	},
	{
		rule: "a builtin type has no package",
		why:  "so there is no dot before it",
		do: func(tracer trace.Tracer) {
			defer func() { recover() }()
			_, s := tracer.Start(context.Background(), "test")
			defer s.End()
			panic("boom")
		},
		look: func(s tracetest.SpanStub) any { return s.Events[0].Attributes[0].Value.AsString() },
		sdk:  ".string",
		ours: "string",
	},
	{
		rule: "a new root is nobody's child",
		why:  "ReadOnlySpan: ChildSpanCount counts spans that have this one as their parent",
		do: func(tracer trace.Tracer) {
			ctx, s := tracer.Start(context.Background(), "test")
			tracer.Start(ctx, "root", trace.WithNewRoot())
			s.End()
		},
		look: func(s tracetest.SpanStub) any { return s.ChildSpanCount },
		sdk:  1,
		ours: 0,
	},
	{
		rule: "a tracer without a name keeps none",
		why:  "OpenTelemetry's specification, Get a Tracer: its name SHOULD keep the original invalid value",
		do: func(tracer trace.Tracer) {
			_, s := tracer.Start(context.Background(), "test")
			_, s = s.TracerProvider().Tracer("").Start(context.Background(), "test")
			s.End()
		},
		look: func(s tracetest.SpanStub) any { return s.InstrumentationScope.Name },
		sdk:  "go.opentelemetry.io/otel/sdk/tracer",
		ours: "",
	},
	{
		rule: "a slice of strings may be as deep as a string",
		why:  "the depth is limited for the sake of an encoder's stack, which it does not grow",
		do: do(func(s trace.Span) {
			s.SetAttributes(attribute.KeyValue{Key: "a", Value: nest(attribute.StringSliceValue(nil), 64)})
		}),
		look: func(s tracetest.SpanStub) any { return s.Attributes[0].Value },
		sdk:  nest(attribute.Value{}, 64),
		ours: nest(attribute.StringSliceValue(nil), 64),
	},
}

func do(use func(trace.Span)) func(trace.Tracer) {
	return func(tracer trace.Tracer) {
		_, s := tracer.Start(context.Background(), "test")
		use(s)
		s.End()
	}
}

func TestDifferencesFromOpenTelemetrysSDK(t *testing.T) {
	const length = 8 // of a value
	for _, tt := range differences {
		t.Run(tt.rule, func(t *testing.T) {
			kept := tracetest.NewSpanRecorder()
			limits := sdktrace.NewSpanLimits()
			limits.AttributeValueLengthLimit = length
			tt.do(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(kept), sdktrace.WithRawSpanLimits(limits)).Tracer("test"))
			theirs := tracetest.SpanStubFromReadOnlySpan(kept.Ended()[0])
			if diff := gocmp.Diff(tt.sdk, tt.look(theirs), equal); diff != "" {
				t.Errorf("OpenTelemetry's SDK has changed (-known +now); we differ because: %s\n%s", tt.why, diff)
			}
			ours := spansOf(t, span.Config{Limits: span.Limits{ValueLength: length}}, tt.do)[0]
			if diff := gocmp.Diff(tt.ours, tt.look(ours), equal); diff != "" {
				t.Errorf("ours (-want +got), because: %s\n%s", tt.why, diff)
			}
		})
	}
}
