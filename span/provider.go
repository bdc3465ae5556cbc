package span

// The provider: what all tracers share, and the way out for finished spans.

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/embedded"

	"github.com/meshtrace/meshtrace/internal/counter"
	"github.com/meshtrace/meshtrace/internal/sdkseam"
)

// Config says what spans a provider records and where they go. The zero value is ready to use:
// it records every trace that its caller does not forbid, and exports nothing.
type Config struct {
	_ struct{} // keyed literals only, so a new field breaks nobody

	// Sampler decides which spans are recorded, once for each as it starts. Default: what the
	// parent says, and every trace that starts here.
	Sampler sdktrace.Sampler

	// Exporter takes the sampled spans. meshtrace's exporter encodes each as it ends; any
	// other gets batches from OpenTelemetry's batch processor, with that one's defaults.
	// Default: none. The provider shuts it down.
	Exporter sdktrace.SpanExporter

	// Processors see every recorded span as it starts and ends, in this order, before the
	// exporter does. They cost a copy of each span. The provider shuts them down.
	Processors []sdktrace.SpanProcessor

	// Resource describes the process on every span. Default: a service.name of
	// unknown_service and the executable's name.
	Resource *resource.Resource

	// Limits bound what one span holds.
	Limits Limits

	// IDGenerator makes trace and span IDs. Default: random ones, whose traces carry W3C's
	// random flag.
	IDGenerator sdktrace.IDGenerator
}

// Provider is a [trace.TracerProvider] that records spans. It is safe for concurrent use.
type Provider struct {
	embedded.TracerProvider

	sampler    sdktrace.Sampler
	fast       sdkseam.Sampler // sampler, if it is one of ours
	sink       sdkseam.Sink    // the exporter, if it takes records
	exporter   sdktrace.SpanExporter
	processors []sdktrace.SpanProcessor
	watched    bool // by processors of the user's, which look at spans as they start
	resource   *resource.Resource
	limits     Limits
	ids        sdktrace.IDGenerator // nil: our own

	mu      sync.Mutex
	tracers map[instrumentation.Scope]*tracer
	stopped atomic.Bool // Shutdown has begun
	drained atomic.Bool // Shutdown has ended the processors

	counts struct{ started, unsampled, ended counter.Counter }
}

// Stats says what became of the spans that a provider started.
//
// Started is the sum of Unsampled, Ended, and the spans that still record.
type Stats struct {
	Started   uint64 // by any tracer of the provider
	Unsampled uint64 // the sampler decided against them, or to record them for processors only
	Ended     uint64 // sampled, finished, and handed to the exporter and the processors
}

// Open returns how many sampled spans have started and not ended.
func (s Stats) Open() uint64 { return s.Started - s.Unsampled - s.Ended }

// NewProvider returns a provider that works as cfg says.
//
// It returns an error, and no provider, if a processor is nil; the error names all that are.
func NewProvider(cfg Config) (*Provider, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	p := &Provider{
		sampler:    cfg.Sampler,
		exporter:   cfg.Exporter,
		processors: slices.Clone(cfg.Processors),
		watched:    len(cfg.Processors) > 0,
		resource:   cfg.Resource,
		limits:     cfg.Limits.withDefaults(),
		ids:        cfg.IDGenerator,
		tracers:    make(map[instrumentation.Scope]*tracer),
	}
	if p.sampler == nil {
		p.sampler = followParent{}
	}
	p.fast, _ = p.sampler.(sdkseam.Sampler)
	if p.resource == nil {
		p.resource = resource.NewSchemaless(semconv.ServiceName("unknown_service:" + filepath.Base(os.Args[0])))
	}
	if sink, ok := p.exporter.(sdkseam.Sink); ok {
		p.sink = sink
	} else if p.exporter != nil {
		p.processors = append(p.processors, sdktrace.NewBatchSpanProcessor(p.exporter))
	}
	return p, nil
}

func (c Config) validate() error {
	var errs []error
	for i, sp := range c.Processors {
		if sp == nil {
			errs = append(errs, fmt.Errorf("span: Processors[%d]: must not be nil", i))
		}
	}
	return errors.Join(errs...)
}

// Tracer returns the tracer with the given scope: always the same one for the same scope. A
// program has few scopes; each takes memory until the provider goes.
func (p *Provider) Tracer(name string, opts ...trace.TracerOption) trace.Tracer {
	cfg := trace.NewTracerConfig(opts...)
	scope := instrumentation.Scope{
		Name:       name,
		Version:    cfg.InstrumentationVersion(),
		SchemaURL:  cfg.SchemaURL(),
		Attributes: cfg.InstrumentationAttributes(),
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	t, ok := p.tracers[scope]
	if !ok {
		t = &tracer{provider: p, origin: &sdkseam.Origin{Scope: scope, Resource: p.resource}}
		p.tracers[scope] = t
	}
	return t
}

// Stats returns the counts so far. Read while spans start and end, they are never ahead of
// Started.
func (p *Provider) Stats() Stats {
	s := Stats{Unsampled: p.counts.unsampled.Load(), Ended: p.counts.ended.Load()}
	s.Started = p.counts.started.Load() // last: every span that is counted above is counted here
	return s
}

// ForceFlush returns when every span that ended before the call is exported or given up, or
// when ctx is done. The error joins those of the processors and the exporter. After Shutdown it
// does nothing.
func (p *Provider) ForceFlush(ctx context.Context) error {
	if p.drained.Load() {
		return nil
	}
	var errs []error
	for _, sp := range p.processors {
		errs = append(errs, sp.ForceFlush(ctx))
	}
	if f, ok := p.exporter.(interface{ ForceFlush(context.Context) error }); ok {
		errs = append(errs, f.ForceFlush(ctx))
	}
	return errors.Join(errs...)
}

// Shutdown stops the recording of new spans, lets the processors and the exporter deliver what
// they have, and returns when they have or ctx is done. Each gets its turn, whatever the ones
// before it returned; the error joins theirs. A second call does nothing, and does not wait for the
// first.
//
// Tracers go on to pass the caller's context through. A span that ends later is counted, and
// handed to the exporter, which counts what it can no longer deliver, but to no processor.
func (p *Provider) Shutdown(ctx context.Context) error {
	if p.stopped.Swap(true) {
		return nil
	}
	var errs []error
	for _, sp := range p.processors {
		errs = append(errs, sp.Shutdown(ctx))
	}
	p.drained.Store(true)
	if p.sink != nil { // a foreign exporter is shut down by its batch processor
		errs = append(errs, p.exporter.Shutdown(ctx))
	}
	return errors.Join(errs...)
}

// listening returns the processors that may still be called: none has to bear a span after its
// Shutdown.
func (p *Provider) listening() []sdktrace.SpanProcessor {
	if p.drained.Load() {
		return nil
	}
	return p.processors
}

// followParent samples what the parent sampled, and every root. It is the default sampler:
// ParentBased(AlwaysOn) of OpenTelemetry's specification, without a context to look into.
type followParent struct{}

func (followParent) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	return followParent{}.Sample(trace.SpanContextFromContext(p.ParentContext), p)
}

func (followParent) Sample(parent trace.SpanContext, _ sdktrace.SamplingParameters) sdktrace.SamplingResult {
	decision := sdktrace.RecordAndSample
	if parent.IsValid() && !parent.IsSampled() {
		decision = sdktrace.Drop
	}
	return sdktrace.SamplingResult{Decision: decision, Tracestate: parent.TraceState()}
}

func (followParent) AsksAttributes() bool { return false }

func (followParent) Description() string { return "ParentBased{root:AlwaysOnSampler}" }
