package exporter_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/meshtrace/meshtrace/exporter"
	"github.com/meshtrace/meshtrace/span"
)

func ExampleNew() {
	jaeger := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		fmt.Println(r.Method, r.URL.Path, r.Header.Get("Content-Type"))
	}))
	defer jaeger.Close()

	exp, err := exporter.New(exporter.Config{Endpoint: jaeger.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	provider, err := span.NewProvider(span.Config{Exporter: exp})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, work := provider.Tracer("example").Start(context.Background(), "work")
	work.End()
	if err := provider.Shutdown(context.Background()); err != nil {
		fmt.Println(err)
	}
	fmt.Println(exp.Stats().Exported, "span exported")
	// Output:
	// POST /v1/traces application/x-protobuf
	// 1 span exported
}

// All mistakes are reported at once, each by the setting's name.
func ExampleNew_mistakes() {
	_, err := exporter.New(exporter.Config{
		Endpoint: "jaeger://jane:password@localhost",
		Headers:  map[string]string{"": "value"},
		Batch:    exporter.Batch{MaxSpans: -1},
	})
	fmt.Println(err)
	// Output:
	// exporter: Endpoint "jaeger://localhost": the scheme must be one of grpc, grpcs, http, https, jaeger+grpc, jaeger+grpcs, jaeger+http, jaeger+https
	// exporter: Batch.MaxSpans "-1": must be positive
	// exporter: Headers key "": must be an HTTP token
}

// An exporter works behind OpenTelemetry's own SDK, here to Jaeger in its own format.
func ExampleExporter_ExportSpans() {
	jaeger := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		fmt.Println(r.Method, r.URL.Path, r.Header.Get("Content-Type"))
	}))
	defer jaeger.Close()

	exp, err := exporter.New(exporter.Config{Endpoint: "jaeger+" + jaeger.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exp))
	_, work := provider.Tracer("example").Start(context.Background(), "work")
	work.End()
	if err := provider.Shutdown(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// POST /api/traces application/vnd.apache.thrift.binary
}

// What could not be delivered by the deadline is counted, and said.
func ExampleExporter_Shutdown() {
	exp, err := exporter.New(exporter.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	provider, err := span.NewProvider(span.Config{Exporter: exp})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, work := provider.Tracer("example").Start(context.Background(), "work")
	work.End()

	ctx, cancel := context.WithCancel(context.Background())
	cancel() // there is no time left
	fmt.Println(provider.Shutdown(ctx))
	fmt.Printf("%+v\n", exp.Stats())
	// Output:
	// exporter: lost 1 of 1 spans: 1 shutdown
	// {Accepted:1 Exported:0 Dropped:1 shutdown InFlight:0}
}
