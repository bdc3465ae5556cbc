package grpcmw_test

import (
	"context"
	"testing"

	"go.opentelemetry.io/otel"
	otelpropagation "go.opentelemetry.io/otel/propagation"

	pb "google.golang.org/grpc/interop/grpc_testing"

	"github.com/meshtrace/meshtrace/grpcmw"
)

// A server and a client may be made before a program sets OpenTelemetry's globals.
func TestTheGlobalsOfTheMomentCount(t *testing.T) {
	tracers, propagator := otel.GetTracerProvider(), otel.GetTextMapPropagator()
	eachWiring(t, func(t *testing.T, w wired) {
		defer otel.SetTextMapPropagator(propagator) // the placeholders: nobody has set them
		defer otel.SetTracerProvider(tracers)
		s, _ := inside()
		cc, srv := dial(t, s, w.server(grpcmw.Config{}), w.client(grpcmw.ClientConfig{}))
		c := pb.NewTestServiceClient(cc)

		c.UnaryCall(sending("traceparent", sampled), &pb.SimpleRequest{})
		otel.SetTracerProvider(w.provider)
		otel.SetTextMapPropagator(otelpropagation.NewCompositeTextMapPropagator()) // which carries nothing
		c.UnaryCall(context.Background(), &pb.SimpleRequest{})
		cc.Close()
		srv.GracefulStop()

		ended := w.wait(2)
		if len(ended) != 2 {
			t.Fatalf("%d spans, want those of the second call", len(ended))
		}
		if ended[0].SpanContext().TraceID() == ended[1].SpanContext().TraceID() {
			t.Error("somebody has carried the context across")
		}
	})
}
