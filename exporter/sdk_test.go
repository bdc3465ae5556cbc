package exporter_test

// Behind OpenTelemetry's own SDK.

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
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

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
