package global_test

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	otelpropagation "go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/meshtrace/meshtrace/internal/global"
	"github.com/meshtrace/meshtrace/internal/seam"
	"github.com/meshtrace/meshtrace/span"
)

// alone runs the test in a process of its own: globals cannot be unset.
func alone(t *testing.T) bool {
	t.Helper()
	if os.Getenv("GLOBAL_TEST") == t.Name() {
		return true
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), "GLOBAL_TEST="+t.Name())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

// TestPlaceholders guards what this package knows of OpenTelemetry's inside.
func TestPlaceholders(t *testing.T) {
	if !alone(t) {
		return
	}
	tracers := global.NewTracers(nil, "test")
	chosen := global.NewTracers(otel.GetTracerProvider(), "test") // the placeholder itself
	meters := global.NewMeters(nil, "test", func(metric.Meter) *int { return new(int) })
	if meters.Load() != nil {
		t.Error("a meter provider that nobody has set seems to measure")
	}
	propagators := global.NewPropagators(nil)
	delegating := global.NewPropagators(otel.GetTextMapPropagator())
	if tracers.Load() != nil || chosen.Load() != nil {
		t.Error("a provider that nobody has set seems to record")
	}
	if _, ok := propagators.Load().(seam.HeaderExtractor); !ok {
		t.Errorf("the propagator that nobody has set is %T, want Linkerd's", propagators.Load())
	}

	otel.SetTracerProvider(sdktrace.NewTracerProvider())
	otel.SetTextMapPropagator(otelpropagation.NewCompositeTextMapPropagator(otelpropagation.TraceContext{}))
	if tracers.Load() == nil || chosen.Load() == nil {
		t.Error("the provider that was set later is not used")
	}
	for _, p := range []global.Propagators{propagators, delegating} {
		if got := p.Load().Fields(); len(got) != 2 { // traceparent and tracestate; Linkerd's has more
			t.Errorf("fields %v, want those of the propagator that was set later", got)
		}
	}

	otel.SetMeterProvider(sdkmetric.NewMeterProvider())
	if first := meters.Load(); first == nil || first != meters.Load() {
		t.Error("the instruments of the meter provider that was set later are not made, or not kept")
	}
	otel.SetMeterProvider(metricnoop.NewMeterProvider())
	if meters.Load() != nil {
		t.Error("a no-op meter provider seems to measure")
	}

	first := tracers.Load()
	if tracers.Load() != first {
		t.Error("the tracer is made anew for each request")
	}
	otel.SetTracerProvider(sdktrace.NewTracerProvider())
	if tracers.Load() == first {
		t.Error("the provider changed, the tracer did not")
	}
	otel.SetTracerProvider(noop.NewTracerProvider())
	if tracers.Load() != nil {
		t.Error("a no-op provider seems to record")
	}
	otel.SetTracerProvider(incomparable{TracerProvider: sdktrace.NewTracerProvider()})
	for range 2 { // the second time there is something to compare with
		if tracers.Load() == nil {
			t.Error("a provider that cannot be compared is not used")
		}
	}
}

// incomparable is a provider for which == panics.
type incomparable struct {
	trace.TracerProvider
	_ []int
}

func TestNoProvider(t *testing.T) {
	for _, p := range []trace.TracerProvider{noop.NewTracerProvider(), &noop.TracerProvider{}} {
		if global.NewTracers(p, "test").Load() != nil {
			t.Errorf("%T seems to record", p)
		}
	}
}

// plainTracer hides that a tracer is a Starter.
type plainProvider struct{ trace.TracerProvider }
type plainTracer struct{ trace.Tracer }

func (p plainProvider) Tracer(name string, opts ...trace.TracerOption) trace.Tracer {
	return plainTracer{p.TracerProvider.Tracer(name, opts...)}
}

// TestBothWays starts the same spans by the seam and by OpenTelemetry's options.
func TestBothWays(t *testing.T) {
	remote := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled, Remote: true})
	other := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{3}, SpanID: trace.SpanID{4}, TraceFlags: trace.FlagsSampled})
	local := trace.ContextWithSpanContext(context.Background(), other)
	attrs := []attribute.KeyValue{attribute.String("a", "b")}
	links := []trace.Link{{SpanContext: other}}

	for _, tt := range []struct {
		rule  string
		ctx   context.Context
		start seam.Start
	}{
		{"nothing but a name", context.Background(), seam.Start{Name: "x"}},
		{"a kind", context.Background(), seam.Start{Name: "x", Kind: trace.SpanKindServer}},
		{"a remote parent", context.Background(), seam.Start{Name: "x", Parent: remote}},
		{"a remote parent beats the context's", local, seam.Start{Name: "x", Parent: remote}},
		{"the context's parent", local, seam.Start{Name: "x"}},
		{"a new root", local, seam.Start{Name: "x", NewRoot: true}},
		{"a new root beats a remote parent", local, seam.Start{Name: "x", NewRoot: true, Parent: remote}},
		{"links and attributes", context.Background(), seam.Start{Name: "x", Links: links, Attrs: attrs}},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			rec := tracetest.NewSpanRecorder()
			tp, err := span.NewProvider(span.Config{Processors: []sdktrace.SpanProcessor{rec}})
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range []trace.TracerProvider{tp, plainProvider{tp}} {
				tracer := global.NewTracers(p, "test").Load()
				_, sp := tracer.Start(tt.ctx, &tt.start)
				sp.Describe(attrs)
				sp.End()
			}
			fast, slow := described(rec.Ended()[0]), described(rec.Ended()[1])
			if diff := cmp.Diff(fast, slow, cmp.Comparer(trace.SpanContext.Equal), cmp.Comparer(func(a, b attribute.KeyValue) bool { return a == b })); diff != "" {
				t.Errorf("by the seam -, by options +\n%s", diff)
			}
		})
	}
}

type description struct {
	Name     string
	Kind     trace.SpanKind
	Parent   trace.SpanContext
	Attrs    []attribute.KeyValue
	Links    []sdktrace.Link
	SameRoot bool
}

func described(s sdktrace.ReadOnlySpan) description {
	return description{s.Name(), s.SpanKind(), s.Parent(), s.Attributes(), s.Links(), s.Parent().TraceID() == s.SpanContext().TraceID()}
}

func TestSlicesStayTheCallers(t *testing.T) {
	rec := tracetest.NewSpanRecorder()
	keeper := &keepingProvider{TracerProvider: noop.NewTracerProvider()}
	tp, err := span.NewProvider(span.Config{Processors: []sdktrace.SpanProcessor{rec}})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []trace.TracerProvider{tp, keeper} {
		attrs := []attribute.KeyValue{attribute.String("a", "b")}
		tracer := global.NewTracers(p, "test").Load()
		_, sp := tracer.Start(context.Background(), &seam.Start{Name: "x", Attrs: attrs})
		attrs[0] = attribute.String("used", "again")
		sp.End()
	}
	for _, got := range [][]attribute.KeyValue{rec.Ended()[0].Attributes(), keeper.kept} {
		if len(got) != 1 || got[0].Key != "a" {
			t.Errorf("attributes %v changed with the caller's slice", got)
		}
	}
}

// keepingProvider keeps the slices that its tracers are given.
type keepingProvider struct {
	trace.TracerProvider
	kept []attribute.KeyValue
}

type keepingTracer struct {
	noop.Tracer
	p *keepingProvider
}

func (p *keepingProvider) Tracer(string, ...trace.TracerOption) trace.Tracer {
	return keepingTracer{p: p}
}

func (k keepingTracer) Start(ctx context.Context, name string, opts ...trace.SpanStartOption) (context.Context, trace.Span) {
	cfg := trace.NewSpanStartConfig(opts...)
	k.p.kept = cfg.Attributes()
	return k.Tracer.Start(ctx, name, opts...)
}

// slow hides that a propagator is a HeaderExtractor.
type slow struct {
	otelpropagation.TextMapPropagator
}

// TestExtractBothWays reads the same headers by the seam and by OpenTelemetry's interface.
func TestExtractBothWays(t *testing.T) {
	const valid = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for _, h := range []http.Header{
		{},
		{"Traceparent": {valid}},
		{"Traceparent": {valid}, "Tracestate": {"a=1"}},
		{"Traceparent": {valid}, "Baggage": {"a=1"}},
		{"Traceparent": {"00-zz"}},
		{"Baggage": {"a=1"}},
		{"X-B3-Traceid": {"0af7651916cd43dd8448eb211c80319c"}, "X-B3-Spanid": {"b7ad6b7169203331"}, "X-B3-Sampled": {"1"}},
	} {
		linkerd := global.NewPropagators(nil).Load()
		var got [2]trace.SpanContext
		for i, p := range []otelpropagation.TextMapPropagator{linkerd, slow{linkerd}} {
			ctx, sc, _ := global.NewPropagators(p).Extract(context.Background(), h)
			if !sc.IsValid() {
				sc = trace.SpanContextFromContext(ctx)
			}
			got[i] = sc
		}
		if !got[0].Equal(got[1]) {
			t.Errorf("%v: by the seam %v, by Extract %v", h, got[0], got[1])
		}
	}
}
