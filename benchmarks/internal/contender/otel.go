package contender

import (
	"context"
	"net/http"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"google.golang.org/grpc"
)

// W3C is the propagator that OpenTelemetry's documentation has users set.
func W3C() propagation.TextMapPropagator {
	return propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})
}

func newOTel(endpoint string, metrics metric.MeterProvider) (*Contender, error) {
	opts := options{
		http: []otelhttp.Option{otelhttp.WithPropagators(W3C()), otelhttp.WithMeterProvider(metrics)},
		grpc: []otelgrpc.Option{otelgrpc.WithPropagators(W3C()), otelgrpc.WithMeterProvider(metrics)},
	}
	if endpoint == "" {
		return otelContender(opts), nil
	}
	provider, err := newOTelProvider(endpoint)
	if err != nil {
		return nil, err
	}
	opts.http = append(opts.http, otelhttp.WithTracerProvider(provider))
	opts.grpc = append(opts.grpc, otelgrpc.WithTracerProvider(provider))
	c := otelContender(opts)
	c.Flush, c.Shutdown = provider.ForceFlush, provider.Shutdown
	return c, nil
}

func newOTelDefaults(endpoint string) (*Contender, error) {
	otel.SetTextMapPropagator(W3C())
	if endpoint == "" {
		return otelContender(options{}), nil
	}
	provider, err := newOTelProvider(endpoint)
	if err != nil {
		return nil, err
	}
	otel.SetTracerProvider(provider)
	c := otelContender(options{})
	c.Flush, c.Shutdown = provider.ForceFlush, provider.Shutdown
	return c, nil
}

// newOTelProvider returns OpenTelemetry's SDK with its defaults: parent-based sampling of every
// trace, batches of 512 spans from a queue of 2048, which drops what does not fit.
func newOTelProvider(endpoint string) (*sdktrace.TracerProvider, error) {
	exporter, err := NewOTLPExporter(endpoint)
	if err != nil {
		return nil, err
	}
	res, err := resource.Merge(resource.Default(), resource.NewSchemaless(semconv.ServiceName(Service)))
	if err != nil {
		return nil, err
	}
	return sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(res)), nil
}

// NewOTLPExporter returns OpenTelemetry's OTLP/HTTP exporter to the endpoint.
func NewOTLPExporter(endpoint string) (sdktrace.SpanExporter, error) {
	return otlptracehttp.New(context.Background(), otlptracehttp.WithEndpointURL(endpoint+"/v1/traces"))
}

// options are those of the instrumentations.
type options struct {
	http []otelhttp.Option
	grpc []otelgrpc.Option
}

func otelContender(opts options) *Contender {
	handlers := GRPC{ // the only way that there is
		Server: []grpc.ServerOption{grpc.StatsHandler(otelgrpc.NewServerHandler(opts.grpc...))},
		Client: []grpc.DialOption{grpc.WithStatsHandler(otelgrpc.NewClientHandler(opts.grpc...))},
	}
	return &Contender{
		Wrap: func(next http.Handler) http.Handler { return otelhttp.NewHandler(next, "server", opts.http...) },
		Transport: func(base http.RoundTripper) http.RoundTripper {
			return otelhttp.NewTransport(base, opts.http...)
		},
		GRPC:       handlers,
		GRPCInside: handlers,
		Flush:      nothing,
		Shutdown:   nothing,
	}
}
