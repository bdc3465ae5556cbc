package exportertest

// Spans to send, and how they compare with what arrives.

import (
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

var start = time.Date(2026, 2, 3, 4, 5, 6, 7_000, time.UTC)

// newSpan returns a root span that says what all spans say. n, not 0, makes its span ID.
func newSpan(n byte) tracetest.SpanStub {
	return tracetest.SpanStub{
		Name: fmt.Sprint("span ", n),
		SpanContext: trace.NewSpanContext(trace.SpanContextConfig{
			TraceID:    trace.TraceID{0: 0xab, 7: 0x80, 8: 0xff, 15: 1},
			SpanID:     trace.SpanID{0: 0xf0, 7: n},
			TraceFlags: trace.FlagsSampled,
		}),
		SpanKind:             trace.SpanKindInternal,
		StartTime:            start,
		EndTime:              start.Add(time.Duration(n) * time.Microsecond),
		Resource:             service("service"),
		InstrumentationScope: instrumentation.Scope{Name: "scope"},
	}
}

// service returns the resource of a service.
func service(name string) *resource.Resource {
	return resource.NewSchemaless(attribute.String("service.name", name))
}

// compare returns how the received spans differ from those that were sent.
func compare(received, sent tracetest.SpanStubs) error {
	err := must(len(received) == len(sent), "received %d spans, sent %d", len(received), len(sent))
	for _, want := range sent {
		got, missing := find(received, want)
		if missing != nil {
			err = errors.Join(err, missing)
			continue
		}
		if diff := differences(got, want); diff != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", want.Name, diff))
		}
	}
	return err
}

// find returns the received span with the IDs of want.
func find(received tracetest.SpanStubs, want tracetest.SpanStub) (tracetest.SpanStub, error) {
	for _, got := range received {
		if sameIDs(got.SpanContext, want.SpanContext) {
			return got, nil
		}
	}
	return tracetest.SpanStub{}, fmt.Errorf("%s did not arrive", want.Name)
}

// without returns the received spans but the one with the IDs of span.
func without(received tracetest.SpanStubs, span tracetest.SpanStub) (others tracetest.SpanStubs) {
	for _, got := range received {
		if !sameIDs(got.SpanContext, span.SpanContext) {
			others = append(others, got)
		}
	}
	return others
}

func sameIDs(a, b trace.SpanContext) bool {
	return a.TraceID() == b.TraceID() && a.SpanID() == b.SpanID()
}

// differences returns how got differs from want, in what every format can say.
func differences(got, want tracetest.SpanStub) error {
	gotService, _ := value(got.Resource.Attributes(), "service.name")
	wantService, _ := value(want.Resource.Attributes(), "service.name")
	errs := []error{
		same("name", got.Name, want.Name),
		same("parent", got.Parent.SpanID(), want.Parent.SpanID()),
		same("kind", got.SpanKind, want.SpanKind),
		same("start", micros(got.StartTime), micros(want.StartTime)),
		same("end", micros(got.EndTime), micros(want.EndTime)),
		same("status", got.Status, want.Status),
		same("scope", got.InstrumentationScope.Name, want.InstrumentationScope.Name),
		same("scope's version", got.InstrumentationScope.Version, want.InstrumentationScope.Version),
		same("service", gotService.AsString(), wantService.AsString()),
		same("number of events", len(got.Events), len(want.Events)),
		same("number of links", len(got.Links), len(want.Links)),
		sameAttrs("attribute", got.Attributes, want.Attributes),
	}
	for i := range min(len(got.Events), len(want.Events)) {
		errs = append(errs,
			same("event", got.Events[i].Name, want.Events[i].Name),
			same("event's time", micros(got.Events[i].Time), micros(want.Events[i].Time)),
			sameAttrs("event's attribute", got.Events[i].Attributes, want.Events[i].Attributes))
	}
	for i := range min(len(got.Links), len(want.Links)) {
		errs = append(errs,
			same("link's trace ID", got.Links[i].SpanContext.TraceID(), want.Links[i].SpanContext.TraceID()),
			same("link's span ID", got.Links[i].SpanContext.SpanID(), want.Links[i].SpanContext.SpanID()))
	}
	return errors.Join(errs...)
}

func micros(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

func same[T comparable](what string, got, want T) error {
	return must(got == want, "%s is %v, want %v", what, got, want)
}

// sameAttrs looks for want in got, which may have more.
func sameAttrs(what string, got, want []attribute.KeyValue) error {
	var errs []error
	for _, kv := range want {
		v, ok := value(got, kv.Key)
		if !ok {
			errs = append(errs, fmt.Errorf("%s %q is missing", what, kv.Key))
			continue
		}
		errs = append(errs, same(fmt.Sprintf("%s %q", what, kv.Key), v, kv.Value))
	}
	return errors.Join(errs...)
}

func value(attrs []attribute.KeyValue, key attribute.Key) (attribute.Value, bool) {
	for _, kv := range attrs {
		if kv.Key == key {
			return kv.Value, true
		}
	}
	return attribute.Value{}, false
}

func must(ok bool, format string, args ...any) error {
	if ok {
		return nil
	}
	return fmt.Errorf(format, args...)
}
