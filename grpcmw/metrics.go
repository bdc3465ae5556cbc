package grpcmw

import (
	"context"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"google.golang.org/grpc/codes"

	"github.com/meshtrace/meshtrace/internal/global"
)

// What is measured, and by what. Nothing of this is built unless there is a MeterProvider.
//
// Spec: OpenTelemetry semantic conventions 1.43, RPC metrics,
// https://opentelemetry.io/docs/specs/semconv/rpc/rpc-metrics/

// meters are the instruments of a server or of a client.
type meters struct {
	duration metric.Float64Histogram
	sets     table[measured, []metric.RecordOption]
}

func newServerMeters(provider metric.MeterProvider) *global.Kept[metric.MeterProvider, meters] {
	return newMeters(provider, "rpc.server.call.duration", "Measures the duration of an incoming Remote Procedure Call (RPC).")
}

func newClientMeters(provider metric.MeterProvider) *global.Kept[metric.MeterProvider, meters] {
	return newMeters(provider, "rpc.client.call.duration", "Measures the duration of an outgoing Remote Procedure Call (RPC).")
}

func newMeters(provider metric.MeterProvider, name, description string) *global.Kept[metric.MeterProvider, meters] {
	build := func(m metric.Meter) *meters {
		h, err := m.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(description),
			metric.WithExplicitBucketBoundaries(0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10))
		if err != nil { // the provider has made one that works all the same
			otel.Handle(err)
		}
		return &meters{duration: h}
	}
	return global.NewMeters(provider, scope, build, metric.WithSchemaURL(schemaURL))
}

// measured is what measurements are told apart by. None of it is what differs with each call.
type measured struct {
	method string
	to     address // empty for a server: what its clients call it is theirs to make up
	code   codes.Code
	failed bool
}

// record measures a call that has ended. ctx carries its span, for exemplars.
func (m *meters) record(ctx context.Context, took time.Duration, of measured) {
	if m.duration.Enabled(ctx) {
		m.duration.Record(ctx, took.Seconds(), m.by(of)...)
	}
}

// by returns the attributes of a measurement, as the instrument wants to have them. What does not
// fit into the table any more is measured together: as other methods of some server.
func (m *meters) by(of measured) []metric.RecordOption {
	if of.code >= codeCount {
		of.code = codes.Unknown // as gRPC takes it
	}
	by, ok := m.sets.get(of)
	if ok {
		return by
	}
	by = []metric.RecordOption{metric.WithAttributeSet(of.attributes())}
	if m.sets.add(of, by) {
		return by
	}
	of.method, of.to = otherMethod, address{}
	return []metric.RecordOption{metric.WithAttributeSet(of.attributes())}
}

// epoch is when clock was 0.
var epoch = time.Now()

// clock returns the time on the monotonic clock.
func clock() time.Duration { return time.Since(epoch) }
