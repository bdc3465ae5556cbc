package exporter

// Jaeger's own model: where what OpenTelemetry says goes in it, whatever the wire format.
//
// Spec: OpenTelemetry to Jaeger Transformation, https://opentelemetry.io/docs/specs/otel/trace/sdk_exporters/jaeger/

import (
	"cmp"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/internal/sdkseam"
)

// serviceName returns the service's name in a resource. Jaeger keeps it apart from its tags.
func serviceName(resource []attribute.KeyValue) string {
	name := ""
	for _, kv := range resource {
		if kv.Key == semconv.ServiceNameKey {
			name = text(kv.Value.String())
		}
	}
	return cmp.Or(name, "unknown_service")
}

// processTags calls tag for everything else in a resource.
func processTags(resource []attribute.KeyValue, tag func(key string, v attribute.Value)) {
	for i := range resource {
		if resource[i].Key != semconv.ServiceNameKey {
			tag(string(resource[i].Key), resource[i].Value)
		}
	}
}

// extraTags calls tag for what OpenTelemetry has fields for and Jaeger does not. They stand behind
// a span's attributes.
func extraTags(r *sdkseam.Record, tag func(key string, v attribute.Value)) {
	say := func(key, value string) {
		if value != "" {
			tag(key, attribute.StringValue(value))
		}
	}
	count := func(key string, n int) {
		if n > 0 {
			tag(key, attribute.IntValue(n))
		}
	}
	if trace.SpanKindServer <= r.Kind && r.Kind <= trace.SpanKindConsumer {
		say("span.kind", r.Kind.String())
	}
	say("otel.scope.name", r.Origin.Scope.Name)
	say("otel.scope.version", r.Origin.Scope.Version)
	if r.SpanContext.TraceState().Len() > 0 {
		say("w3c.tracestate", r.SpanContext.TraceState().String())
	}
	switch r.Status.Code {
	case codes.Ok:
		say("otel.status_code", "OK")
	case codes.Error:
		say("otel.status_code", "ERROR")
		say("otel.status_description", r.Status.Description)
		tag("error", attribute.BoolValue(true))
	}
	count("otel.dropped_attributes_count", r.DroppedAttrs)
	count("otel.dropped_events_count", r.DroppedEvents)
	count("otel.dropped_links_count", r.DroppedLinks)
}

// eventTags calls tag for what an event says. Its name becomes a tag named event, unless an
// attribute has taken that name.
func eventTags(e *sdktrace.Event, tag func(key string, v attribute.Value)) {
	const name = "event"
	named := false
	for i := range e.Attributes {
		tag(string(e.Attributes[i].Key), e.Attributes[i].Value)
		named = named || e.Attributes[i].Key == name
	}
	if !named {
		tag(name, attribute.StringValue(e.Name))
	}
	if e.DroppedAttributeCount > 0 {
		tag("otel.event.dropped_attributes_count", attribute.IntValue(e.DroppedAttributeCount))
	}
}
