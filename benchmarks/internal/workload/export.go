package workload

import (
	"context"
	"fmt"
	"sync"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"

	"github.com/meshtrace/meshtrace/benchmarks/internal/contender"
	"github.com/meshtrace/meshtrace/exporter"
	"github.com/meshtrace/meshtrace/internal/sdkseam"
)

// BatchSpans is how many spans are exported at once: what OpenTelemetry's batch processor sends.
const BatchSpans = 512

// exports are the ways of finished spans to the receiver. An operation is one span of a batch.
func exports() []Workload {
	contenders := []contender.Name{contender.None, contender.Meshtrace, contender.OTel}
	return []Workload{
		{
			Name:       "export/batch=512",
			Title:      fmt.Sprintf("export of %d spans, per span", BatchSpans),
			Contenders: contenders,
			Spans:      1,
			setup:      func(name contender.Name, endpoint string) (*Run, error) { return setupExport(name, endpoint, consume) },
		},
		{
			Name:       "export/batch=512/interface=public",
			Title:      fmt.Sprintf("export of %d spans, per span, by SpanExporter.ExportSpans", BatchSpans),
			Contenders: contenders,
			Spans:      1,
			setup: func(name contender.Name, endpoint string) (*Run, error) {
				return setupExport(name, endpoint, exportSpans)
			},
		},
	}
}

// setupExport sets up the export of spans that otelhttp recorded. How ours gets them, by says.
func setupExport(name contender.Name, endpoint string, by func(*exporter.Exporter, []sdktrace.ReadOnlySpan) func() error) (*Run, error) {
	if name == contender.None {
		return &Run{do: func(int) error { return nil }, flush: nothing, shutdown: nothing}, nil
	}
	spans, err := recordSpans()
	if err != nil {
		return nil, err
	}
	if name == contender.Meshtrace {
		e, err := exporter.New(exporter.Config{Endpoint: endpoint})
		if err != nil {
			return nil, err
		}
		return &Run{do: batches(by(e, spans)), flush: e.ForceFlush, shutdown: e.Shutdown}, nil
	}
	e, err := contender.NewOTLPExporter(endpoint)
	if err != nil {
		return nil, err
	}
	export := func() error { return e.ExportSpans(context.Background(), spans) }
	return &Run{do: batches(export), flush: nothing, shutdown: e.Shutdown}, nil
}

// batches returns what exports n spans by a function that exports [BatchSpans].
func batches(export func() error) func(n int) error {
	return func(n int) error {
		if n%BatchSpans != 0 {
			return fmt.Errorf("%d spans are not a number of whole batches", n)
		}
		for range n / BatchSpans {
			if err := export(); err != nil {
				return err
			}
		}
		return nil
	}
}

// exportSpans hands spans over as OpenTelemetry's batch processor does.
func exportSpans(e *exporter.Exporter, spans []sdktrace.ReadOnlySpan) func() error {
	return func() error { return e.ExportSpans(context.Background(), spans) }
}

// consume hands spans over as meshtrace's provider does, one at a time as they end.
func consume(e *exporter.Exporter, spans []sdktrace.ReadOnlySpan) func() error {
	records := make([]sdkseam.Record, len(spans))
	origin := &sdkseam.Origin{Scope: spans[0].InstrumentationScope(), Resource: spans[0].Resource()}
	for i, s := range spans {
		records[i] = recordOf(s, origin)
	}
	return func() error {
		for i := range records {
			e.Consume(&records[i])
		}
		return e.ForceFlush(context.Background())
	}
}

func recordOf(s sdktrace.ReadOnlySpan, origin *sdkseam.Origin) sdkseam.Record {
	return sdkseam.Record{
		Name:        s.Name(),
		SpanContext: s.SpanContext(),
		Parent:      s.Parent(),
		Kind:        s.SpanKind(),
		Start:       s.StartTime(),
		End:         s.EndTime(),
		Attrs:       s.Attributes(),
		Status:      s.Status(),
		Origin:      origin,
	}
}

// recordSpans returns a batch of spans as otelhttp records them, for all contenders the same.
func recordSpans() ([]sdktrace.ReadOnlySpan, error) {
	r, err := parseRequest("01")
	if err != nil {
		return nil, err
	}
	var kept keeper
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(&kept))
	h := otelhttp.NewHandler(mux(answer), "server", otelhttp.WithTracerProvider(provider), otelhttp.WithPropagators(contender.W3C()))
	if err := serve(h, r)(BatchSpans); err != nil {
		return nil, err
	}
	return kept.spans, nil
}

// keeper is a span processor that keeps what has ended.
type keeper struct {
	mu    sync.Mutex
	spans []sdktrace.ReadOnlySpan
}

func (k *keeper) OnEnd(s sdktrace.ReadOnlySpan) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.spans = append(k.spans, s)
}

func (*keeper) OnStart(context.Context, sdktrace.ReadWriteSpan) {}
func (*keeper) ForceFlush(context.Context) error                { return nil }
func (*keeper) Shutdown(context.Context) error                  { return nil }
