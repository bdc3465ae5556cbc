package e2e_test

import (
	"testing"

	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/exporter"
	"github.com/meshtrace/meshtrace/span"
)

// manySpans is more than fit into one request of the exporter's.
const manySpans = 20_000

// Of many spans, over many requests, each arrives, and arrives once.
func TestVolume(t *testing.T) {
	for _, tt := range protocols {
		for _, compression := range []exporter.Compression{exporter.NoCompression, exporter.Gzip} {
			t.Run(tt.name+"/"+string(compression), func(t *testing.T) {
				t.Parallel()
				server, ctx := startJaeger(t), deadline(t)
				destination, err := exporter.New(exporter.Config{Endpoint: tt.endpoint(server.Endpoints), Compression: compression})
				if err != nil {
					t.Fatal(err)
				}
				provider, err := span.NewProvider(span.Config{Exporter: destination})
				if err != nil {
					t.Fatal(err)
				}
				tracer := provider.Tracer("volume")
				ctx, root := tracer.Start(ctx, "root")
				missing := map[string]bool{root.SpanContext().SpanID().String(): true}
				for range manySpans {
					_, s := tracer.Start(ctx, "child", trace.WithSpanKind(trace.SpanKindClient))
					missing[s.SpanContext().SpanID().String()] = true
					s.End()
				}
				root.End()
				if err := provider.Shutdown(ctx); err != nil {
					t.Fatal(err)
				}
				got, err := server.Query().Trace(ctx, root.SpanContext().TraceID().String())
				if err != nil {
					t.Fatal(err)
				}
				for _, s := range got {
					if !missing[s.ID] {
						t.Fatalf("Jaeger has span %s twice, or nobody recorded it", s.ID)
					}
					delete(missing, s.ID)
				}
				if len(missing) > 0 {
					t.Errorf("%d of %d spans are missing", len(missing), manySpans+1)
				}
			})
		}
	}
}
