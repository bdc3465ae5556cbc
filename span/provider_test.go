package span_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/internal/sdkseam"
	"github.com/meshtrace/meshtrace/span"
)

// memory is OpenTelemetry's exporter for tests, but keeps its spans when it is shut down.
type memory struct {
	*tracetest.InMemoryExporter
	shutdowns int
	err       error
}

func newMemory() *memory { return &memory{InMemoryExporter: tracetest.NewInMemoryExporter()} }

func (m *memory) Shutdown(context.Context) error { m.shutdowns++; return m.err }

func (m *memory) names() (names []string) {
	for _, s := range m.GetSpans() {
		names = append(names, s.Name)
	}
	return names
}

func TestNilProcessorsAreRefused(t *testing.T) {
	p, err := span.NewProvider(span.Config{Processors: []sdktrace.SpanProcessor{nil, processor{}, nil}})
	const want = "span: Processors[0]: must not be nil\nspan: Processors[2]: must not be nil"
	if p != nil || err == nil || err.Error() != want {
		t.Errorf("provider %v, error %v; want none, and %s", p, err, want)
	}
}

func TestZeroConfig(t *testing.T) {
	p, err := span.NewProvider(span.Config{})
	if err != nil {
		t.Fatal(err)
	}
	tracer := p.Tracer("test")
	for _, tt := range []struct {
		rule   string
		parent trace.SpanContext
		want   bool
	}{
		{"a trace that starts here is recorded", trace.SpanContext{}, true},
		{"a sampled parent is followed", remote(trace.FlagsSampled), true},
		{"an unsampled parent is followed", remote(0), false},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			ctx := trace.ContextWithSpanContext(context.Background(), tt.parent)
			_, s := tracer.Start(ctx, "test")
			defer s.End()
			if s.IsRecording() != tt.want || s.SpanContext().IsSampled() != tt.want {
				t.Errorf("recording %v, sampled %v, want %v", s.IsRecording(), s.SpanContext().IsSampled(), tt.want)
			}
			if got, want := s.SpanContext().TraceState().String(), tt.parent.TraceState().String(); got != want {
				t.Errorf("tracestate %q, want the parent's, %q", got, want)
			}
		})
	}
	if err := errors.Join(p.ForceFlush(t.Context()), p.Shutdown(t.Context())); err != nil {
		t.Error(err)
	}
}

func TestResource(t *testing.T) {
	given := resource.NewSchemaless(attribute.String("service.name", "user-service"))
	unknown := resource.NewSchemaless(attribute.String("service.name", "unknown_service:"+filepath.Base(os.Args[0])))
	for rule, tt := range map[string]struct{ given, want *resource.Resource }{
		"the default names the executable":     {nil, unknown},
		"a resource that is given stays as is": {given, given},
		"an empty one too":                     {resource.Empty(), resource.Empty()},
	} {
		t.Run(rule, func(t *testing.T) {
			got := spanOf(t, span.Config{Resource: tt.given}, func(trace.Span) {}).Resource
			if !got.Equal(tt.want) {
				t.Errorf("resource %v, want %v", got, tt.want)
			}
		})
	}
}

// Spec: OpenTelemetry Trace API, Get a Tracer.
func TestTracer(t *testing.T) {
	kept := tracetest.NewSpanRecorder()
	p := newProvider(t, span.Config{Processors: []sdktrace.SpanProcessor{kept}})
	full := []trace.TracerOption{
		trace.WithInstrumentationVersion("v1.2.3"),
		trace.WithSchemaURL("https://opentelemetry.io/schemas/1.40.0"),
		trace.WithInstrumentationAttributes(attribute.Bool("a", true)),
	}
	for _, tt := range []struct {
		rule string
		name string
		opts []trace.TracerOption
		want instrumentation.Scope
	}{
		{"a name", "lib", nil, instrumentation.Scope{Name: "lib"}},
		{"an empty name stays as it is", "", nil, instrumentation.Scope{}},
		{"version, schema and attributes", "lib", full, instrumentation.Scope{
			Name:       "lib",
			Version:    "v1.2.3",
			SchemaURL:  "https://opentelemetry.io/schemas/1.40.0",
			Attributes: attribute.NewSet(attribute.Bool("a", true)),
		}},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			kept.Reset()
			tracer := p.Tracer(tt.name, tt.opts...)
			_, s := tracer.Start(t.Context(), "test")
			s.End()
			for what, got := range map[string]sdktrace.ReadOnlySpan{
				"the span": s.(sdktrace.ReadOnlySpan), "the finished span": kept.Ended()[0],
			} {
				//lint:ignore SA1019 the old name has to say the same
				scope, library := got.InstrumentationScope(), got.InstrumentationLibrary()
				if diff := cmp.Diff(tt.want, scope, equal) + cmp.Diff(tt.want, library, equal); diff != "" {
					t.Errorf("scope of %s (-want +got):\n%s", what, diff)
				}
			}
			if p.Tracer(tt.name, tt.opts...) != tracer {
				t.Error("the same scope has another tracer")
			}
			if p.Tracer(tt.name, append(tt.opts, trace.WithInstrumentationVersion("v2"))...) == tracer {
				t.Error("another version has the same tracer")
			}
		})
	}
}

// An exporter tells spans of one tracer by the pointer that they share.
func TestRecordsOfOneTracerShareTheirOrigin(t *testing.T) {
	exported := new(sink)
	p := newProvider(t, span.Config{Exporter: exported})
	for _, scope := range []string{"one", "one", "other"} {
		_, s := p.Tracer(scope).Start(t.Context(), "test")
		s.End()
	}
	one, same, other := exported.records[0].Origin, exported.records[1].Origin, exported.records[2].Origin
	if one != same || one == other {
		t.Errorf("origins %p and %p of one tracer, %p of another", one, same, other)
	}
}

func TestTracerIsSafeForConcurrentUse(t *testing.T) {
	p := newProvider(t, span.Config{})
	tracers := make([]trace.Tracer, 8)
	var busy sync.WaitGroup
	for i := range tracers {
		busy.Go(func() { tracers[i] = p.Tracer("test") })
	}
	busy.Wait()
	for _, tracer := range tracers {
		if tracer != tracers[0] {
			t.Fatal("the same scope has two tracers")
		}
	}
}

// A log of who was called, in order.
type log struct {
	mu    sync.Mutex
	calls []string
}

func (l *log) add(call string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, call)
}

func (l *log) expect(t *testing.T, want ...string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if diff := cmp.Diff(want, l.calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	l.calls = nil
}

// processor returns one that logs under the name, and returns err from Shutdown and ForceFlush.
func (l *log) processor(name string, err error) processor {
	return processor{
		onStart:  func(context.Context, sdktrace.ReadWriteSpan) { l.add(name + " start") },
		onEnd:    func(sdktrace.ReadOnlySpan) { l.add(name + " end") },
		flush:    func(context.Context) error { l.add(name + " flush"); return err },
		shutdown: func(context.Context) error { l.add(name + " shutdown"); return err },
	}
}

// exporter is one of ours that logs.
func (l *log) exporter(err error) *loggedSink { return &loggedSink{log: l, err: err} }

type loggedSink struct {
	log *log
	err error
}

func (s *loggedSink) Consume(*sdkseam.Record) { s.log.add("export") }
func (s *loggedSink) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error {
	panic("a sink is handed records")
}
func (s *loggedSink) ForceFlush(context.Context) error { s.log.add("exporter flush"); return s.err }
func (s *loggedSink) Shutdown(context.Context) error   { s.log.add("exporter shutdown"); return s.err }

func TestEveryoneIsCalledInOrder(t *testing.T) {
	var calls log
	p := newProvider(t, span.Config{
		Processors: []sdktrace.SpanProcessor{calls.processor("first", nil), calls.processor("second", nil)},
		Exporter:   calls.exporter(nil),
	})
	_, s := p.Tracer("test").Start(t.Context(), "test")
	calls.expect(t, "first start", "second start")
	s.End()
	calls.expect(t, "first end", "second end", "export")
	p.ForceFlush(t.Context())
	calls.expect(t, "first flush", "second flush", "exporter flush")
	p.Shutdown(t.Context())
	calls.expect(t, "first shutdown", "second shutdown", "exporter shutdown")
}

func TestTheCallersProcessorsAreCopied(t *testing.T) {
	var calls log
	list := []sdktrace.SpanProcessor{calls.processor("first", nil)}
	p := newProvider(t, span.Config{Processors: list})
	list[0] = nil
	_, s := p.Tracer("test").Start(t.Context(), "test")
	s.End()
	calls.expect(t, "first start", "first end")
}

func TestShutdown(t *testing.T) {
	var calls log
	errs := []error{errors.New("1"), errors.New("2"), errors.New("3")}
	p := newProvider(t, span.Config{
		Processors: []sdktrace.SpanProcessor{calls.processor("first", errs[0]), calls.processor("second", errs[1])},
		Exporter:   calls.exporter(errs[2]),
	})
	tracer := p.Tracer("test")
	ctx := trace.ContextWithRemoteSpanContext(t.Context(), remote(trace.FlagsSampled|0x80))
	_, open := tracer.Start(ctx, "open")
	calls.expect(t, "first start", "second start")

	expired, cancel := context.WithCancel(t.Context())
	cancel()
	err := p.Shutdown(expired)
	calls.expect(t, "first shutdown", "second shutdown", "exporter shutdown") // each, though the time is up
	for _, want := range errs {
		if !errors.Is(err, want) {
			t.Errorf("error %v does not join %v", err, want)
		}
	}

	t.Run("a second call does nothing", func(t *testing.T) {
		if err := p.Shutdown(t.Context()); err != nil {
			t.Errorf("error %v, want none", err)
		}
		calls.expect(t)
	})
	t.Run("a flush has nothing to do", func(t *testing.T) {
		if err := p.ForceFlush(t.Context()); err != nil {
			t.Errorf("error %v, want none", err)
		}
		calls.expect(t)
	})
	t.Run("a span that ends later goes to the exporter, to be counted", func(t *testing.T) {
		open.SetAttributes(attribute.Bool("late", true))
		open.End()
		calls.expect(t, "export")
		if got := p.Stats(); got != (span.Stats{Started: 1, Ended: 1}) {
			t.Errorf("stats %+v", got)
		}
	})
	t.Run("tracers pass the caller's context through", func(t *testing.T) {
		for _, tracer := range []trace.Tracer{tracer, p.Tracer("new")} {
			inner, s := tracer.Start(ctx, "late")
			if s.IsRecording() || !s.SpanContext().Equal(remote(trace.FlagsSampled|0x80)) {
				t.Errorf("recording %v, span context %v, want the caller's", s.IsRecording(), s.SpanContext())
			}
			if trace.SpanFromContext(inner) != s {
				t.Error("the context does not hold the span")
			}
			s.End()
		}
		calls.expect(t)
		if got := p.Stats().Started; got != 1 {
			t.Errorf("%d spans counted, want the 1 that started before", got)
		}
	})
}

// A start and a shutdown may meet. A processor that has been shut down need not bear the span.
func TestShutdownWhileASpanStarts(t *testing.T) {
	var calls log
	var p *span.Provider
	p = newProvider(t, span.Config{
		Sampler: samplerFunc(func(sdktrace.SamplingParameters) sdktrace.SamplingResult {
			p.Shutdown(context.Background())
			return sdktrace.SamplingResult{Decision: sdktrace.RecordAndSample}
		}),
		Processors: []sdktrace.SpanProcessor{calls.processor("only", nil)},
		Exporter:   calls.exporter(nil),
	})
	_, s := p.Tracer("test").Start(t.Context(), "test")
	s.End()
	calls.expect(t, "only shutdown", "exporter shutdown", "export")
}

func TestForceFlush(t *testing.T) {
	var calls log
	errs := []error{errors.New("1"), errors.New("2")}
	p := newProvider(t, span.Config{
		Processors: []sdktrace.SpanProcessor{calls.processor("only", errs[0])},
		Exporter:   calls.exporter(errs[1]),
	})
	err := p.ForceFlush(t.Context())
	calls.expect(t, "only flush", "exporter flush")
	for _, want := range errs {
		if !errors.Is(err, want) {
			t.Errorf("error %v does not join %v", err, want)
		}
	}
}

// threeSpans ends a sampled span, one for processors only, and an unsampled one, and leaves one open.
func threeSpans(ctx context.Context, p *span.Provider) {
	for _, name := range []string{"sampled", "recorded", "dropped"} {
		_, s := p.Tracer("test").Start(ctx, name)
		s.End()
	}
	p.Tracer("test").Start(ctx, "sampled")
}

var byName = samplerFunc(func(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	return decide(map[string]sdktrace.SamplingDecision{
		"sampled":  sdktrace.RecordAndSample,
		"recorded": sdktrace.RecordOnly,
		"dropped":  sdktrace.Drop,
	}[p.Name])(p)
})

func TestRecordedSpansGoToProcessorsOnly(t *testing.T) {
	var calls log
	p := newProvider(t, span.Config{
		Sampler:    byName,
		Processors: []sdktrace.SpanProcessor{calls.processor("only", nil)},
		Exporter:   calls.exporter(nil),
	})
	threeSpans(t.Context(), p)
	calls.expect(t, "only start", "only end", "export", "only start", "only end", "only start")
	want := span.Stats{Started: 4, Unsampled: 2, Ended: 1}
	if got := p.Stats(); got != want || got.Open() != 1 {
		t.Errorf("stats %+v, %d open; want %+v, 1", got, got.Open(), want)
	}
}

func TestForeignExporter(t *testing.T) {
	exporter := newMemory()
	exporter.err = errors.New("broken")
	p := newProvider(t, span.Config{Sampler: byName, Exporter: exporter})
	threeSpans(t.Context(), p)
	if err := p.ForceFlush(t.Context()); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"sampled"}, exporter.names()); diff != "" {
		t.Errorf("exported (-want +got):\n%s", diff)
	}
	threeSpans(t.Context(), p)
	if err := p.Shutdown(t.Context()); !errors.Is(err, exporter.err) {
		t.Errorf("error %v, want the exporter's", err)
	}
	if diff := cmp.Diff([]string{"sampled", "sampled"}, exporter.names()); diff != "" {
		t.Errorf("exported by Shutdown (-want +got):\n%s", diff)
	}
	if exporter.shutdowns != 1 {
		t.Errorf("the exporter was shut down %d times, want once", exporter.shutdowns)
	}
}

// flusher is a foreign exporter that holds spans back.
type flusher struct {
	*memory
	log *log
}

func (f flusher) ForceFlush(context.Context) error { f.log.add("exporter flush"); return nil }

func TestForeignExporterIsFlushedAfterItsBatch(t *testing.T) {
	var calls log
	p := newProvider(t, span.Config{Exporter: flusher{newMemory(), &calls}})
	p.ForceFlush(t.Context())
	calls.expect(t, "exporter flush")
}

func TestOpenTelemetrysProcessors(t *testing.T) {
	for name, wrap := range map[string]func(sdktrace.SpanExporter) sdktrace.SpanProcessor{
		"SimpleSpanProcessor": sdktrace.NewSimpleSpanProcessor,
		"BatchSpanProcessor": func(e sdktrace.SpanExporter) sdktrace.SpanProcessor {
			return sdktrace.NewBatchSpanProcessor(e)
		},
	} {
		t.Run(name, func(t *testing.T) {
			behind, beside := newMemory(), new(sink)
			p := newProvider(t, span.Config{
				Sampler:    byName,
				Processors: []sdktrace.SpanProcessor{wrap(behind)},
				Exporter:   beside,
			})
			_, s := p.Tracer("test").Start(t.Context(), "sampled")
			useEverything(s)
			threeSpans(t.Context(), p)
			if err := p.ForceFlush(t.Context()); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(beside.spans(), behind.GetSpans(), equal); diff != "" {
				t.Errorf("what our exporter got (-) and what OpenTelemetry's got (+):\n%s", diff)
			}
			if n := len(behind.GetSpans()); n != 2 {
				t.Errorf("%d spans exported, want 2", n)
			}
		})
	}
}

func TestStatsAreNeverAheadOfStarted(t *testing.T) {
	const goroutines, each = 4, 2000
	exported := 0
	var mu sync.Mutex
	p := newProvider(t, span.Config{Sampler: byName, Exporter: consumer(func(*sdkseam.Record) {
		mu.Lock()
		defer mu.Unlock()
		exported++
	})})
	tracer := p.Tracer("test")
	done := make(chan struct{})
	var busy, reader sync.WaitGroup
	reader.Go(func() {
		for last := (span.Stats{}); ; {
			s := p.Stats()
			if s.Unsampled+s.Ended > s.Started || s.Started < last.Started || s.Unsampled < last.Unsampled || s.Ended < last.Ended {
				t.Errorf("stats %+v after %+v", s, last)
				return
			}
			last = s
			select {
			case <-done:
				return
			default:
			}
		}
	})
	names, counts := []string{"sampled", "recorded", "dropped"}, make([][4]int, goroutines)
	for g := range goroutines {
		busy.Go(func() {
			r := rand.New(rand.NewPCG(uint64(g), 0))
			for range each {
				kind := r.IntN(len(names))
				counts[g][kind]++
				_, s := tracer.Start(context.Background(), names[kind])
				if r.IntN(10) > 0 {
					s.End()
					s.End() // counts once
				} else if kind == 0 {
					counts[g][3]++
				}
			}
		})
	}
	busy.Wait()
	close(done)
	reader.Wait()
	var want span.Stats
	for _, c := range counts {
		want.Started += uint64(c[0] + c[1] + c[2])
		want.Unsampled += uint64(c[1] + c[2])
		want.Ended += uint64(c[0] - c[3])
	}
	if got := p.Stats(); got != want || uint64(exported) != want.Ended {
		t.Errorf("stats %+v, %d exported; want %+v", got, exported, want)
	}
}
