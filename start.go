package meshtrace

// Start: from settings to a running pipeline, and back.

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	otelpropagation "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/meshtrace/meshtrace/exporter"
	"github.com/meshtrace/meshtrace/httpmw"
	"github.com/meshtrace/meshtrace/propagation"
	"github.com/meshtrace/meshtrace/sampler"
	"github.com/meshtrace/meshtrace/span"
)

// Config says what is traced and where the spans go. The zero value is ready to use: it traces
// every request, and sends to an OTLP/HTTP receiver on this machine.
//
// What a field leaves open, the environment decides, by variables that OpenTelemetry's specification
// and Jaeger's clients have made known. Those that are read are named with the fields; each
// OTEL_EXPORTER_OTLP_* is also there as OTEL_EXPORTER_OTLP_TRACES_*, which comes first. What both leave
// open has a default. A variable that is wrong is an error, as a field is.
//
// OTEL_SDK_DISABLED=true switches recording off, and so does OTEL_TRACES_EXPORTER=none if there are no
// Processors: contexts are then only passed on.
//
// Processors, Limits, Batch, Queue and Retry have no variables: OTEL_BSP_* and those of span limits are
// not read, and of Jaeger's only the two that are named here.
//
// Spec: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
type Config struct {
	_ struct{} // keyed literals only, so a new field breaks nobody

	// Service is the service's name in Jaeger. Default: service.name in Resource, OTEL_SERVICE_NAME,
	// service.name in OTEL_RESOURCE_ATTRIBUTES, JAEGER_SERVICE_NAME, then the executable's name.
	Service string

	// Endpoint is a URL whose scheme names the protocol; see [exporter.Config]. Default:
	// OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, OTEL_EXPORTER_OTLP_ENDPOINT (with /v1/traces behind
	// it), JAEGER_ENDPOINT (Jaeger's Thrift over HTTP), then http://localhost:4318. If
	// OTEL_EXPORTER_OTLP_PROTOCOL is grpc, the first two, whose http or https then stands for gRPC
	// without or with TLS, and which may be host and port alone, with TLS unless
	// OTEL_EXPORTER_OTLP_INSECURE is true; then JAEGER_ENDPOINT, then grpc://localhost:4317.
	Endpoint string

	// Sampler decides which requests are traced, once, where the trace starts. Default:
	// OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG, then what the caller says, and every
	// request of callers that say nothing.
	Sampler sdktrace.Sampler

	// Propagator reads and writes trace headers. Default: OTEL_PROPAGATORS, then
	// [propagation.Linkerd].
	Propagator otelpropagation.TextMapPropagator

	// Resource describes the process on every span. It is laid over what is detected: the
	// process, the host, the pod (from variables of the downward API), OTEL_RESOURCE_ATTRIBUTES.
	Resource *resource.Resource

	// Processors see every recorded span, before the exporter does. See [span.Config].
	Processors []sdktrace.SpanProcessor

	// Limits bound what one span holds.
	Limits span.Limits

	// Headers go with every request to the endpoint. Default: OTEL_EXPORTER_OTLP_HEADERS.
	Headers map[string]string

	// TLS configures https and grpcs endpoints. Default: OTEL_EXPORTER_OTLP_CERTIFICATE,
	// _CLIENT_CERTIFICATE and _CLIENT_KEY, then the system's certificate authorities.
	TLS *tls.Config

	// Compression of what is sent. Default: OTEL_EXPORTER_OTLP_COMPRESSION, then none.
	Compression exporter.Compression

	// Timeout of one attempt to send. Default: OTEL_EXPORTER_OTLP_TIMEOUT in milliseconds,
	// then 10 s.
	Timeout time.Duration

	// Batch, Queue and Retry say when spans are sent, how many are held, and when a failed
	// delivery is tried again. See [exporter.Config].
	Batch exporter.Batch
	Queue exporter.Queue
	Retry exporter.Retry

	// NoGlobals leaves OpenTelemetry's global provider and propagator alone, and httpmw's
	// defaults, which the OTEL_INSTRUMENTATION_HTTP_* variables say. The middlewares are then to
	// be given this pipeline's by their own settings.
	NoGlobals bool

	// OnError is told of failed deliveries and lost spans, at most once in ten seconds. Default:
	// otel.Handle, which logs.
	OnError func(error)
}

// Tracing is a running pipeline. It is safe for concurrent use.
type Tracing struct {
	propagator otelpropagation.TextMapPropagator
	provider   *span.Provider     // nil: OTEL_SDK_DISABLED or OTEL_TRACES_EXPORTER=none
	exporter   *exporter.Exporter // nil with provider, or if only processors take the spans
	ended      atomic.Bool        // by Shutdown
}

// Start starts tracing as cfg and the environment say, and makes it OpenTelemetry's global
// provider and propagator unless told not to. Do it once, early in main; handlers and clients
// that were wrapped before find it all the same.
//
// It does not wait for the endpoint, which may come later than the service. ctx bounds the start
// alone.
//
// The error joins everything that is wrong, each by the name of the setting or variable. Nothing
// is started then.
func Start(ctx context.Context, cfg Config) (*Tracing, error) {
	s, err := environment(os.Getenv).complete(cfg)
	res, errResource := s.detect(ctx)
	if err := errors.Join(err, errResource, s.exporter().Validate()); err != nil {
		return nil, err
	}
	t := &Tracing{propagator: s.Propagator}
	if !s.disabled {
		err = t.build(ctx, s, res)
	}
	if err != nil {
		return nil, err
	}
	if !cfg.NoGlobals {
		otel.SetTracerProvider(t.TracerProvider())
		otel.SetTextMapPropagator(t.propagator)
		httpmw.SetDefaults(s.http)
	}
	return t, nil
}

// build makes the exporter and the provider in front of it.
func (t *Tracing) build(ctx context.Context, s settings, res *resource.Resource) (err error) {
	spans := span.Config{
		Sampler:    s.Sampler,
		Processors: s.Processors,
		Resource:   res,
		Limits:     s.Limits,
	}
	if !s.noExporter {
		if t.exporter, err = exporter.New(s.exporter()); err != nil {
			return err
		}
		spans.Exporter = t.exporter
	}
	if t.provider, err = span.NewProvider(spans); err != nil && t.exporter != nil {
		err = errors.Join(err, t.exporter.Shutdown(ctx))
	}
	return err
}

// exporter returns the exporter's part of the settings.
func (c Config) exporter() exporter.Config {
	return exporter.Config{
		Endpoint:    c.Endpoint,
		Headers:     c.Headers,
		TLS:         c.TLS,
		Compression: c.Compression,
		Timeout:     c.Timeout,
		Batch:       c.Batch,
		Queue:       c.Queue,
		Retry:       c.Retry,
		OnError:     c.OnError,
	}
}

// withDefaults fills in what neither the settings nor the environment say.
func (c Config) withDefaults() Config {
	c.Endpoint = cmp.Or(c.Endpoint, "http://localhost:4318")
	if c.Sampler == nil {
		c.Sampler = sampler.ParentBased(sdktrace.AlwaysSample())
	}
	if c.Propagator == nil {
		c.Propagator = propagation.Linkerd()
	}
	return c
}

// TracerProvider returns the provider that records spans: for the middlewares' settings, for
// instrumentation of other libraries, and for spans of your own.
func (t *Tracing) TracerProvider() trace.TracerProvider {
	if t.provider == nil {
		return noop.NewTracerProvider()
	}
	return t.provider
}

// Propagator returns the propagator that reads and writes trace headers.
func (t *Tracing) Propagator() otelpropagation.TextMapPropagator { return t.propagator }

// ForceFlush returns when every span that has ended is delivered or given up, or when ctx is done;
// if ctx has no deadline, after Config.Timeout. Use it where a process is frozen between requests.
func (t *Tracing) ForceFlush(ctx context.Context) error {
	if t.provider == nil {
		return nil
	}
	return t.provider.ForceFlush(ctx)
}

// Shutdown stops recording, delivers what is held, and ends the pipeline. It returns by the
// deadline of ctx, or after Config.Timeout if ctx has none. A second call does nothing.
//
// The error says how many spans were lost since Start, and why; spans that had not ended are
// among them.
func (t *Tracing) Shutdown(ctx context.Context) error {
	if t.provider == nil {
		return nil
	}
	open := t.provider.Stats().Open()
	err := t.provider.Shutdown(ctx)
	if open > 0 && !t.ended.Swap(true) {
		err = errors.Join(err, fmt.Errorf("meshtrace: %d spans had not ended at shutdown, and are lost", open))
	}
	return err
}

// Stats says what became of the spans since Start:
//
//	Started = Unsampled + Exported + Dropped.Total() + InFlight
type Stats struct {
	Started   uint64           // by the middlewares and by hand
	Unsampled uint64           // the sampler decided against them
	Exported  uint64           // acknowledged by the endpoint
	Dropped   exporter.Dropped // lost, by cause
	InFlight  uint64           // not ended yet, or held for delivery
}

// Stats returns the counts so far. Without an exporter, what has ended counts as exported.
func (t *Tracing) Stats() Stats {
	if t.provider == nil {
		return Stats{}
	}
	var s Stats
	if t.exporter != nil { // read against the flow, so that the counts never run ahead of Started
		out := t.exporter.Stats()
		s.Exported, s.Dropped = out.Exported, out.Dropped
	}
	in := t.provider.Stats()
	if t.exporter == nil {
		s.Exported = in.Ended
	}
	s.Started, s.Unsampled = in.Started, in.Unsampled
	s.InFlight = s.Started - s.Unsampled - s.Exported - s.Dropped.Total()
	return s
}
