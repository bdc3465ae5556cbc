package exporter

// Spans from OpenTelemetry's SDK: read as records, so that there is one encoder for all.

import (
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/meshtrace/meshtrace/internal/sdkseam"
)

// readSpan fills r with what s says.
func (e *Exporter) readSpan(r *sdkseam.Record, s sdktrace.ReadOnlySpan) {
	*r = sdkseam.Record{
		Name:          s.Name(),
		SpanContext:   s.SpanContext(),
		Parent:        s.Parent(),
		Kind:          s.SpanKind(),
		Start:         s.StartTime(),
		End:           s.EndTime(),
		Attrs:         s.Attributes(),
		Events:        s.Events(),
		Links:         s.Links(),
		Status:        s.Status(),
		DroppedAttrs:  s.DroppedAttributes(),
		DroppedEvents: s.DroppedEvents(),
		DroppedLinks:  s.DroppedLinks(),
		Origin:        e.origins.of(s.InstrumentationScope(), s.Resource()),
	}
}

// origins knows an Origin by its content, so that spans of one tracer share the pointer.
type origins struct {
	mu        sync.Mutex
	known     map[originKey]*sdkseam.Origin
	resources map[resourceKey]*resource.Resource
}

type originKey struct {
	scope    instrumentation.Scope
	resource resourceKey
}

type resourceKey struct {
	attrs     attribute.Distinct
	schemaURL string
}

// maxOrigins bounds what is remembered. A program that makes tracers without end pays with a
// scope of its own for each span, not with its memory.
const maxOrigins = 1000

func (o *origins) of(scope instrumentation.Scope, res *resource.Resource) *sdkseam.Origin {
	key := originKey{scope, resourceKey{res.Equivalent(), res.SchemaURL()}}
	o.mu.Lock()
	defer o.mu.Unlock()
	if origin, ok := o.known[key]; ok {
		return origin
	}
	if o.known == nil || len(o.known) >= maxOrigins {
		o.known = make(map[originKey]*sdkseam.Origin)
		o.resources = make(map[resourceKey]*resource.Resource)
	}
	if same, ok := o.resources[key.resource]; ok {
		res = same
	}
	origin := &sdkseam.Origin{Scope: scope, Resource: res}
	o.known[key], o.resources[key.resource] = origin, res
	return origin
}
