package exporter_test

import (
	"fmt"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/meshtrace/meshtrace/exporter"
)

// export sends spans, each with a resource and a scope of its own making, and returns the requests.
func export(t *testing.T, e *exporter.Exporter, c *collector, n int, of func(i int) (*resource.Resource, instrumentation.Scope)) (requests []*coltrace.ExportTraceServiceRequest) {
	t.Helper()
	var spans []sdkSpan
	for i := range n {
		stub := tracetest.SpanStub{SpanContext: newRecord(i + 1).SpanContext}
		stub.Resource, stub.InstrumentationScope = of(i)
		spans = append(spans, stub.Snapshot())
	}
	if err := e.ExportSpans(t.Context(), spans); err != nil {
		t.Fatal(err)
	}
	for _, r := range c.asked() {
		request := new(coltrace.ExportTraceServiceRequest)
		if err := proto.Unmarshal(r.body, request); err != nil {
			t.Fatal(err)
		}
		requests = append(requests, request)
	}
	return requests
}

func TestSpansOfOneScopeAreTogether(t *testing.T) {
	var c collector
	e := c.start(t, exporter.Config{})
	requests := export(t, e, &c, 300, func(i int) (*resource.Resource, instrumentation.Scope) {
		scope := instrumentation.Scope{Name: fmt.Sprint("scope ", i%3), Attributes: attribute.NewSet(attribute.Int("n", i%3))}
		return resource.NewSchemaless(attribute.String("service.name", "service")), scope
	})
	if len(requests) != 1 || len(requests[0].ResourceSpans) != 1 || len(requests[0].ResourceSpans[0].ScopeSpans) != 3 {
		t.Fatalf("%d requests: %v", len(requests), requests[0])
	}
	for _, s := range requests[0].ResourceSpans[0].ScopeSpans {
		if len(s.Spans) != 100 {
			t.Errorf("%d spans of %v", len(s.Spans), s.Scope)
		}
	}
}

func TestResourcesOfTwoSchemasAreTwo(t *testing.T) {
	var c collector
	e := c.start(t, exporter.Config{})
	seen := make(map[string]int)
	for _, r := range export(t, e, &c, 10, func(i int) (*resource.Resource, instrumentation.Scope) {
		schema := fmt.Sprint("https://example.com/", i%2)
		return resource.NewWithAttributes(schema, attribute.String("service.name", "service")), instrumentation.Scope{}
	}) {
		for _, rs := range r.ResourceSpans {
			for _, s := range rs.ScopeSpans {
				seen[rs.SchemaUrl] += len(s.Spans)
			}
		}
	}
	if len(seen) != 2 || seen["https://example.com/0"] != 5 {
		t.Errorf("spans by schema: %v", seen)
	}
}

func TestScopesWithoutEndTakeNoMemoryWithoutEnd(t *testing.T) {
	var c collector
	e := c.start(t, exporter.Config{})
	res := resource.NewSchemaless(attribute.String("service.name", "service"))
	export(t, e, &c, 5000, func(i int) (*resource.Resource, instrumentation.Scope) {
		return res, instrumentation.Scope{Name: fmt.Sprint(i)}
	})
	c.checkReceived(t, 1, 5000)
	if n := e.Origins(); n > 1000 {
		t.Errorf("%d scopes are remembered", n)
	}
}
