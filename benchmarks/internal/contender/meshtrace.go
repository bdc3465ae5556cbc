package contender

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/metric"

	"github.com/meshtrace/meshtrace"
	"github.com/meshtrace/meshtrace/httpmw"
)

func newMeshtrace(endpoint string, metrics metric.MeterProvider) (*Contender, error) {
	if endpoint == "" {
		return meshtraceContender(httpmw.Config{MeterProvider: metrics}, httpmw.ClientConfig{MeterProvider: metrics}), nil
	}
	tracing, err := meshtrace.Start(context.Background(), meshtrace.Config{
		Service:   Service,
		Endpoint:  endpoint,
		NoGlobals: true,
	})
	if err != nil {
		return nil, err
	}
	provider, propagator := tracing.TracerProvider(), tracing.Propagator()
	c := meshtraceContender(
		httpmw.Config{TracerProvider: provider, Propagator: propagator, MeterProvider: metrics},
		httpmw.ClientConfig{TracerProvider: provider, Propagator: propagator, MeterProvider: metrics},
	)
	c.Flush, c.Shutdown = tracing.ForceFlush, tracing.Shutdown
	return c, nil
}

func meshtraceContender(server httpmw.Config, client httpmw.ClientConfig) *Contender {
	return &Contender{
		Wrap:      httpmw.New(server).Wrap,
		Transport: func(base http.RoundTripper) http.RoundTripper { return httpmw.NewTransport(base, client) },
		Flush:     nothing,
		Shutdown:  nothing,
	}
}
