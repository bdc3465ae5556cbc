// Package exportertest checks that an exporter delivers what spans say.
//
// It is for those who write an [sdktrace.SpanExporter] for this module, as testing/slogtest is for
// those who write a slog.Handler.
package exportertest

import (
	"context"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/meshtrace/meshtrace/internal/sdkseam"
)

// Received returns the spans that an exporter's destination holds, as the destination's own types
// decode them. What the wire format can't say is left at zero.
type Received func() tracetest.SpanStubs

// Run checks an exporter, case by case, each with a new one from start. Run shuts it down.
//
// Wire formats differ in what they can say, so that Run looks only at what all can: IDs, names,
// kinds, times to the microsecond, scalar attributes, events with theirs, the targets of links,
// status, scope, service.name. The attributes that a format adds are ignored.
//
// An exporter that takes records from meshtrace's own recorder is checked that way too, and has
// to deliver the same.
func Run(t *testing.T, start func(*testing.T) (sdktrace.SpanExporter, Received)) {
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			for _, c := range cases {
				t.Run(c.rule, func(t *testing.T) {
					exp, received := start(t)
					defer exp.Shutdown(t.Context())
					if !way.open(exp) {
						t.Skip("not a way into this exporter")
					}
					if err := c.check(subject{exp, received, way.send}); err != nil {
						t.Error(err)
					}
				})
			}
		})
	}
}

// A way into an exporter.
type way struct {
	name string
	open func(sdktrace.SpanExporter) bool
	send func(sdktrace.SpanExporter, tracetest.SpanStubs) error
}

var ways = []way{
	{
		name: "ExportSpans",
		open: func(sdktrace.SpanExporter) bool { return true },
		send: func(exp sdktrace.SpanExporter, spans tracetest.SpanStubs) error {
			return exp.ExportSpans(context.Background(), spans.Snapshots())
		},
	},
	{
		name: "Consume",
		open: func(exp sdktrace.SpanExporter) bool { _, ok := exp.(sdkseam.Sink); return ok },
		send: consume,
	},
}

// consume hands spans over as the recorder does: one record, used again for each. It returns when
// they are sent.
func consume(exp sdktrace.SpanExporter, spans tracetest.SpanStubs) error {
	var r sdkseam.Record
	for i := range spans {
		s := &spans[i]
		r = sdkseam.Record{
			Name: s.Name, SpanContext: s.SpanContext, Parent: s.Parent, Kind: s.SpanKind,
			Start: s.StartTime, End: s.EndTime,
			Attrs: s.Attributes, Events: s.Events, Links: s.Links, Status: s.Status,
			DroppedAttrs: s.DroppedAttributes, DroppedEvents: s.DroppedEvents, DroppedLinks: s.DroppedLinks,
			Origin: &sdkseam.Origin{Scope: s.InstrumentationScope, Resource: s.Resource},
		}
		exp.(sdkseam.Sink).Consume(&r)
	}
	if f, ok := exp.(interface{ ForceFlush(context.Context) error }); ok {
		return f.ForceFlush(context.Background())
	}
	return exp.Shutdown(context.Background())
}
