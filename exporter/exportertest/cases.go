package exportertest

// What is checked.

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

// subject is an exporter under test.
type subject struct {
	exporter sdktrace.SpanExporter
	received Received
	send     func(sdktrace.SpanExporter, tracetest.SpanStubs) error
}

// roundTrip sends spans and compares them with what arrives.
func (s subject) roundTrip(spans tracetest.SpanStubs) error {
	if err := s.send(s.exporter, spans); err != nil {
		return err
	}
	return compare(s.received(), spans)
}

var cases = []struct {
	rule  string
	check func(subject) error
}{
	{"a span arrives as it is, whatever it leaves out", func(s subject) error {
		return s.roundTrip(tracetest.SpanStubs{newSpan(1)})
	}},
	{"a child names its parent", func(s subject) error {
		child := newSpan(2)
		child.Parent = newSpan(1).SpanContext
		return s.roundTrip(tracetest.SpanStubs{newSpan(1), child})
	}},
	{"kinds", func(s subject) error {
		var spans tracetest.SpanStubs
		for kind := trace.SpanKindInternal; kind <= trace.SpanKindConsumer; kind++ {
			span := newSpan(byte(kind))
			span.SpanKind = kind
			spans = append(spans, span)
		}
		return s.roundTrip(spans)
	}},
	{"statuses", func(s subject) error {
		ok, failed := newSpan(1), newSpan(2)
		ok.Status = sdktrace.Status{Code: codes.Ok}
		failed.Status = sdktrace.Status{Code: codes.Error, Description: "out of cheese"}
		return s.roundTrip(tracetest.SpanStubs{ok, failed, newSpan(3)})
	}},
	{"attributes", func(s subject) error {
		span := newSpan(1)
		span.Attributes = scalars
		return s.roundTrip(tracetest.SpanStubs{span})
	}},
	{"attributes of any type have their key", func(s subject) error {
		span := newSpan(1)
		span.Attributes = compounds
		if err := s.send(s.exporter, tracetest.SpanStubs{span}); err != nil {
			return err
		}
		got, err := find(s.received(), span)
		for _, kv := range compounds {
			_, ok := value(got.Attributes, kv.Key)
			err = errors.Join(err, must(ok, "attribute %q is missing", kv.Key))
		}
		return err
	}},
	{"events, in their order", func(s subject) error {
		span := newSpan(1)
		span.Events = []sdktrace.Event{
			{Name: "first", Time: span.StartTime},
			{Name: "second", Time: span.EndTime, Attributes: scalars},
		}
		return s.roundTrip(tracetest.SpanStubs{span})
	}},
	{"links", func(s subject) error {
		span := newSpan(1)
		span.Links = []sdktrace.Link{{SpanContext: newSpan(8).SpanContext}, {SpanContext: newSpan(9).SpanContext}}
		return s.roundTrip(tracetest.SpanStubs{span})
	}},
	{"scopes and resources are kept apart", func(s subject) error {
		var spans tracetest.SpanStubs
		for i := range byte(16) {
			span := newSpan(i + 1)
			span.InstrumentationScope = instrumentation.Scope{Name: fmt.Sprint("scope ", i%2), Version: "1"}
			span.Resource = service(fmt.Sprint("service ", i/2%2))
			spans = append(spans, span)
		}
		return s.roundTrip(spans)
	}},
	{"text that is no UTF-8 takes no other span with it", func(s subject) error {
		const bad = "a\xff\xfeb\xc0"
		hostile := newSpan(1)
		hostile.Name, hostile.Attributes = bad, []attribute.KeyValue{attribute.String(bad, bad), attribute.StringSlice("list", []string{bad})}
		hostile.Events = []sdktrace.Event{{Name: bad, Time: hostile.StartTime, Attributes: hostile.Attributes}}
		hostile.Status = sdktrace.Status{Code: codes.Error, Description: bad}
		if err := s.send(s.exporter, tracetest.SpanStubs{hostile, newSpan(2)}); err != nil {
			return err
		}
		_, err := find(s.received(), hostile)
		return errors.Join(err, compare(without(s.received(), hostile), tracetest.SpanStubs{newSpan(2)}))
	}},
	{"spans belong to the caller again once they are taken", func(s subject) error {
		span := newSpan(1)
		span.Attributes = slices.Clone(scalars)
		want := newSpan(1)
		want.Attributes = scalars
		err := s.send(s.exporter, tracetest.SpanStubs{span})
		clear(span.Attributes)
		return errors.Join(err, compare(s.received(), tracetest.SpanStubs{want}))
	}},
	{"many at a time arrive once each", manyAtATime},
	{"no spans are no error", func(s subject) error {
		err := s.exporter.ExportSpans(context.Background(), nil)
		return errors.Join(err, must(len(s.received()) == 0, "received %d spans", len(s.received())))
	}},
	{"after Shutdown nothing is taken", func(s subject) error {
		if err := s.exporter.Shutdown(context.Background()); err != nil {
			return err
		}
		err := s.exporter.ExportSpans(context.Background(), tracetest.SpanStubs{newSpan(1)}.Snapshots())
		return errors.Join(
			must(err != nil, "ExportSpans returned no error"),
			must(len(s.received()) == 0, "received %d spans", len(s.received())),
			s.exporter.Shutdown(context.Background()), // a second time
		)
	}},
}

func manyAtATime(s subject) error {
	const senders, spansEach = 4, 50
	var (
		wg   sync.WaitGroup
		all  tracetest.SpanStubs
		errs [senders]error
	)
	for i := range senders {
		spans := make(tracetest.SpanStubs, spansEach)
		for j := range spans {
			spans[j] = newSpan(byte(1 + i*spansEach + j))
		}
		all = append(all, spans...)
		wg.Go(func() { errs[i] = s.exporter.ExportSpans(context.Background(), spans.Snapshots()) })
	}
	wg.Wait()
	return errors.Join(errors.Join(errs[:]...), compare(s.received(), all))
}

// scalars are attributes that every format can say.
var scalars = []attribute.KeyValue{
	attribute.String("string", "text"),
	attribute.String("string.empty", ""),
	attribute.String("string.unicode", "žluťoučký 🐎"),
	attribute.Bool("bool.true", true),
	attribute.Bool("bool.false", false),
	attribute.Int64("int.zero", 0),
	attribute.Int64("int.min", math.MinInt64),
	attribute.Int64("int.max", math.MaxInt64),
	attribute.Float64("float.negative", -0.125),
	attribute.Float64("float.max", math.MaxFloat64),
}

// compounds are attributes that some formats can only say as text.
var compounds = []attribute.KeyValue{
	attribute.BoolSlice("bools", []bool{true, false}),
	attribute.Int64Slice("ints", []int64{1, -1}),
	attribute.Float64Slice("floats", []float64{0.5}),
	attribute.StringSlice("strings", []string{"a", ""}),
	attribute.ByteSlice("bytes", []byte{0, 0xff}),
	attribute.Slice("slice", attribute.StringValue("a"), attribute.IntValue(1)),
	attribute.Map("map", attribute.String("key", "value"), attribute.Map("nested", attribute.Bool("deep", true))),
	{Key: "empty"},
}
