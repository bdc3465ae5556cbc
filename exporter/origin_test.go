package exporter_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/meshtrace/meshtrace/exporter"
)

// A span is the same on the wire whether it comes as a record or as a ReadOnlySpan.
func TestBothWaysInAreTheSame(t *testing.T) {
	for _, endpoint := range []string{"http://127.0.0.1", "jaeger+http://127.0.0.1"} {
		for rule, r := range records(t) {
			t.Run(endpoint+": "+rule, func(t *testing.T) {
				var c collector
				e := c.start(t, exporter.Config{Endpoint: endpoint})
				e.Consume(r)
				if err := e.ForceFlush(t.Context()); err != nil {
					t.Fatal(err)
				}
				span := tracetest.SpanStub{
					Name: r.Name, SpanContext: r.SpanContext, Parent: r.Parent, SpanKind: r.Kind, StartTime: r.Start, EndTime: r.End,
					Attributes: r.Attrs, Events: r.Events, Links: r.Links, Status: r.Status,
					DroppedAttributes: r.DroppedAttrs, DroppedEvents: r.DroppedEvents, DroppedLinks: r.DroppedLinks,
					Resource: r.Origin.Resource, InstrumentationScope: r.Origin.Scope,
				}
				if err := e.ExportSpans(t.Context(), []sdkSpan{span.Snapshot()}); err != nil {
					t.Fatal(err)
				}
				requests := c.asked()
				if len(requests) != 2 || !bytes.Equal(requests[0].body, requests[1].body) {
					t.Errorf("%d requests:\n%x\n%x", len(requests), requests[0].body, requests[len(requests)-1].body)
				}
			})
		}
	}
}

func TestSpansOfTheSDK(t *testing.T) {
	for name, processor := range map[string]func(sdktrace.SpanExporter) sdktrace.TracerProviderOption{
		"batched": func(e sdktrace.SpanExporter) sdktrace.TracerProviderOption { return sdktrace.WithBatcher(e) },
		"simple":  sdktrace.WithSyncer,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var c collector
				e := c.start(t, exporter.Config{})
				beside := tracetest.NewInMemoryExporter()
				provider := sdktrace.NewTracerProvider(processor(e), sdktrace.WithSyncer(beside),
					sdktrace.WithResource(resource.NewSchemaless(attribute.String("service.name", "sdk"))))
				record(provider.Tracer("scope", trace.WithInstrumentationVersion("v2")))
				if err := provider.ForceFlush(t.Context()); err != nil {
					t.Error(err)
				}
				compareStubs(t, c.received(), beside.GetSpans())
				if err := provider.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
				checkStats(t, e, exporter.Stats{Accepted: 101, Exported: 101})
			})
		})
	}
}

// record makes 101 spans.
func record(tracer trace.Tracer) {
	ctx, root := tracer.Start(context.Background(), "root", trace.WithSpanKind(trace.SpanKindServer))
	for i := range 100 {
		_, child := tracer.Start(ctx, fmt.Sprint("child ", i), trace.WithLinks(trace.LinkFromContext(ctx)))
		child.SetAttributes(attribute.Int("i", i), attribute.String("s", "text"))
		child.AddEvent("event", trace.WithAttributes(attribute.Bool("b", true)))
		child.SetStatus(codes.Error, "broken")
		child.End()
	}
	root.End()
}

func compareStubs(t *testing.T, got, want tracetest.SpanStubs) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("received %d spans, want %d", len(got), len(want))
	}
	byID := make(map[trace.SpanID]tracetest.SpanStub)
	for _, s := range got {
		byID[s.SpanContext.SpanID()] = s
	}
	for _, w := range want {
		g := byID[w.SpanContext.SpanID()]
		// The suite compares these field by field; here it is enough that they are of the right span.
		if g.Name != w.Name || g.Parent.SpanID() != w.Parent.SpanID() || g.SpanKind != w.SpanKind || g.Status != w.Status ||
			!g.EndTime.Equal(w.EndTime) || fmt.Sprint(g.Attributes) != fmt.Sprint(w.Attributes) ||
			len(g.Events) != len(w.Events) || len(g.Links) != len(w.Links) ||
			g.InstrumentationScope.Name != w.InstrumentationScope.Name || g.InstrumentationScope.Version != w.InstrumentationScope.Version {
			t.Errorf("got  %+v\nwant %+v", g, w)
		}
	}
}

// The SDK's batcher holds 2048 spans. Ours are not in it while the server is down.
func TestOutageBehindTheSDKsBatcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		c := &collector{answer: func(int, request) answer {
			if down.Load() {
				return answer{err: errors.New("connection refused")}
			}
			return answer{}
		}}
		e := c.start(t, exporter.Config{})
		provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(e))
		tracer := provider.Tracer("scope")
		const seconds, perSecond = 60, 200
		for second := range seconds {
			down.Store(second > 5 && second < 50)
			for range perSecond {
				_, span := tracer.Start(context.Background(), "span")
				span.End()
			}
			time.Sleep(time.Second)
		}
		if err := provider.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		checkStats(t, e, exporter.Stats{Accepted: seconds * perSecond, Exported: seconds * perSecond})
		if n := len(c.received()); n != seconds*perSecond {
			t.Errorf("received %d spans", n)
		}
	})
}

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
