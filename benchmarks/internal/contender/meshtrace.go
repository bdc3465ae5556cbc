package contender

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"google.golang.org/grpc"

	"github.com/meshtrace/meshtrace"
	"github.com/meshtrace/meshtrace/grpcmw"
	"github.com/meshtrace/meshtrace/httpmw"
)

func newMeshtrace(endpoint string, metrics metric.MeterProvider) (*Contender, error) {
	if endpoint == "" {
		return meshtraceContender(nil, nil, metrics), nil
	}
	tracing, err := meshtrace.Start(context.Background(), meshtrace.Config{
		Service:   Service,
		Endpoint:  endpoint,
		NoGlobals: true,
	})
	if err != nil {
		return nil, err
	}
	c := meshtraceContender(tracing.TracerProvider(), tracing.Propagator(), metrics)
	c.Flush, c.Shutdown = tracing.ForceFlush, tracing.Shutdown
	return c, nil
}

func meshtraceContender(spans trace.TracerProvider, propagator propagation.TextMapPropagator, metrics metric.MeterProvider) *Contender {
	server := httpmw.Config{TracerProvider: spans, Propagator: propagator, MeterProvider: metrics}
	client := httpmw.ClientConfig{TracerProvider: spans, Propagator: propagator, MeterProvider: metrics}
	grpcServer := grpcmw.Config{TracerProvider: spans, Propagator: propagator, MeterProvider: metrics}
	grpcClient := grpcmw.ClientConfig{TracerProvider: spans, Propagator: propagator, MeterProvider: metrics}
	recommended := GRPC{
		Server: []grpc.ServerOption{grpcmw.Server(grpcServer)},
		Client: []grpc.DialOption{grpcmw.Client(grpcClient)},
	}
	return &Contender{
		Wrap:      httpmw.New(server).Wrap,
		Transport: func(base http.RoundTripper) http.RoundTripper { return httpmw.NewTransport(base, client) },
		GRPC:      recommended,
		GRPCInside: GRPC{
			Server: append([]grpc.ServerOption{grpc.StatsHandler(grpcmw.ServerHandler(grpcServer))}, recommended.Server...),
			Client: append(recommended.Client, grpc.WithStatsHandler(grpcmw.ClientHandler(grpcClient))),
		},
		Flush:    nothing,
		Shutdown: nothing,
	}
}
