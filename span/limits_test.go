package span_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/span"
)

// ints returns the attributes from=from, ..., to=to.
func ints(from, to int) (attrs []attribute.KeyValue) {
	for i := from; i <= to; i++ {
		attrs = append(attrs, attribute.Int(fmt.Sprint(i), i))
	}
	return attrs
}

// Spec: OpenTelemetry Trace SDK, Span Limits.
func TestCountLimits(t *testing.T) {
	each := func(n int) span.Limits {
		return span.Limits{Attributes: n, Events: n, Links: n, AttributesPerEvent: n, AttributesPerLink: n}
	}
	mixed := span.Limits{Attributes: 5, Events: 4, Links: 3, AttributesPerEvent: 2, AttributesPerLink: 1}
	for _, tt := range []struct {
		rule   string
		limits span.Limits
		add    int         // so many of each
		kept   span.Limits // so many of each are left
	}{
		{"up to the limit all are kept", each(3), 3, each(3)},
		{"beyond it the first attributes, and the last events and links", each(3), 5, each(3)},
		{"each kind has its own limit", mixed, 10, mixed},
		{"the default is 128", span.Limits{}, 130, each(128)},
		{"a negative limit is none", each(-1), 300, each(300)},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			got := spanOf(t, span.Config{Limits: tt.limits}, func(s trace.Span) {
				s.SetAttributes(ints(1, tt.add)...)
				for i := 1; i < tt.add; i++ {
					s.AddEvent(fmt.Sprint(i))
					s.AddLink(trace.Link{SpanContext: linked(i)})
				}
				s.AddEvent(fmt.Sprint(tt.add), trace.WithAttributes(ints(1, tt.add)...))
				s.AddLink(trace.Link{SpanContext: linked(tt.add), Attributes: ints(1, tt.add)})
			})
			if len(got.Events) != tt.kept.Events || got.DroppedEvents != tt.add-tt.kept.Events {
				t.Fatalf("%d events kept, %d dropped; want %d of %d kept", len(got.Events), got.DroppedEvents, tt.kept.Events, tt.add)
			}
			if len(got.Links) != tt.kept.Links || got.DroppedLinks != tt.add-tt.kept.Links {
				t.Fatalf("%d links kept, %d dropped; want %d of %d kept", len(got.Links), got.DroppedLinks, tt.kept.Links, tt.add)
			}
			for i, event := range got.Events {
				if want := fmt.Sprint(tt.add - len(got.Events) + i + 1); event.Name != want {
					t.Errorf("event %d is the one that was added as number %s, want %s", i, event.Name, want)
				}
			}
			for i, link := range got.Links {
				if want := linked(tt.add - len(got.Links) + i + 1); !link.SpanContext.Equal(want) {
					t.Errorf("link %d is to %v, want %v", i, link.SpanContext.SpanID(), want.SpanID())
				}
			}
			event, link := got.Events[len(got.Events)-1], got.Links[len(got.Links)-1]
			for _, attrs := range []struct {
				of      string
				kept    []attribute.KeyValue
				dropped int
				want    int
			}{
				{"span", got.Attributes, got.DroppedAttributes, tt.kept.Attributes},
				{"event", event.Attributes, event.DroppedAttributeCount, tt.kept.AttributesPerEvent},
				{"link", link.Attributes, link.DroppedAttributeCount, tt.kept.AttributesPerLink},
			} {
				if diff := cmp.Diff(ints(1, attrs.want), attrs.kept, equal); diff != "" || attrs.dropped != tt.add-attrs.want {
					t.Errorf("%s: %d attributes dropped, want %d; kept (-want +got):\n%s", attrs.of, attrs.dropped, tt.add-attrs.want, diff)
				}
			}
		})
	}
}

func linked(i int) trace.SpanContext {
	return remote(0).WithSpanID(trace.SpanID{byte(i >> 8), byte(i), 7: 1})
}

func TestLimitsHoldAtTheStart(t *testing.T) {
	sampler := samplerFunc(func(sdktrace.SamplingParameters) sdktrace.SamplingResult {
		return sdktrace.SamplingResult{Decision: sdktrace.RecordAndSample, Attributes: []attribute.KeyValue{attribute.String("sampler", "long")}}
	})
	cfg := span.Config{Sampler: sampler, Limits: span.Limits{Attributes: 2, Links: 1, ValueLength: 3}}
	got := spansOf(t, cfg, func(tracer trace.Tracer) {
		_, s := tracer.Start(context.Background(), "test",
			trace.WithAttributes(ints(1, 3)...), trace.WithLinks(trace.Link{SpanContext: linked(1)}, trace.Link{SpanContext: linked(2)}))
		s.End()
	})[0]
	want := []attribute.KeyValue{attribute.String("sampler", "lon"), attribute.Int("1", 1)}
	if diff := cmp.Diff(want, got.Attributes, equal); diff != "" || got.DroppedAttributes != 2 {
		t.Errorf("%d attributes dropped, want 2; kept (-want +got):\n%s", got.DroppedAttributes, diff)
	}
	if len(got.Links) != 1 || !got.Links[0].SpanContext.Equal(linked(2)) || got.DroppedLinks != 1 {
		t.Errorf("links %v, %d dropped: want the second, and 1", got.Links, got.DroppedLinks)
	}
}

func TestLimitsLetKnownKeysChange(t *testing.T) {
	got := spanOf(t, span.Config{Limits: span.Limits{Attributes: 2}}, func(s trace.Span) {
		s.SetAttributes(ints(1, 3)...)
		s.SetAttributes(attribute.Int("2", 22), attribute.Int("4", 4))
	})
	want := []attribute.KeyValue{attribute.Int("1", 1), attribute.Int("2", 22)}
	if diff := cmp.Diff(want, got.Attributes, equal); diff != "" || got.DroppedAttributes != 2 {
		t.Errorf("%d attributes dropped, want 2; kept (-want +got):\n%s", got.DroppedAttributes, diff)
	}
}

// nest puts v into n slices and maps, in turn; the outermost is a slice.
func nest(v attribute.Value, n int) attribute.Value {
	for ; n > 0; n-- {
		if n%2 == 1 {
			v = attribute.SliceValue(v)
		} else {
			v = attribute.MapValue(attribute.KeyValue{Key: "k", Value: v})
		}
	}
	return v
}

func TestValueLimits(t *testing.T) {
	deep := attribute.StringValue("deep")
	kv := func(k string, v attribute.Value) attribute.KeyValue {
		return attribute.KeyValue{Key: attribute.Key(k), Value: v}
	}
	for _, tt := range []struct {
		rule   string
		length int // Limits.ValueLength
		in     attribute.Value
		want   attribute.Value
	}{
		{"no limit is the default", 0, attribute.StringValue(strings.Repeat("x", 1e6)), attribute.StringValue(strings.Repeat("x", 1e6))},
		{"a value of the limit's length is kept", 3, attribute.StringValue("abc"), attribute.StringValue("abc")},
		{"a longer one is cut", 3, attribute.StringValue("abcd"), attribute.StringValue("abc")},
		{"characters count, not bytes", 3, attribute.StringValue("äöü"), attribute.StringValue("äöü")},
		{"characters are not cut in two", 2, attribute.StringValue("a\U0001F600b"), attribute.StringValue("a\U0001F600")},
		{"a byte that is not UTF-8 counts as one", 2, attribute.StringValue("\xff\xfe\xfd"), attribute.StringValue("\xff\xfe")},
		{"numbers have no length", 1, attribute.IntValue(12345), attribute.IntValue(12345)},
		{"each string of a slice is cut", 2, attribute.StringSliceValue([]string{"abc", "", "äöü"}), attribute.StringSliceValue([]string{"ab", "", "äö"})},
		{"bytes are counted as such", 2, attribute.ByteSliceValue([]byte("äöü")), attribute.ByteSliceValue([]byte("ä"))},
		{"few bytes are kept", 2, attribute.ByteSliceValue([]byte("ab")), attribute.ByteSliceValue([]byte("ab"))},
		{
			"strings inside of slices and maps are cut", 2,
			attribute.SliceValue(attribute.StringValue("abc"), attribute.MapValue(attribute.String("key", "abc"), attribute.StringSlice("s", []string{"abc"}))),
			attribute.SliceValue(attribute.StringValue("ab"), attribute.MapValue(attribute.String("key", "ab"), attribute.StringSlice("s", []string{"ab"}))),
		},
		{
			"the last value of a map's key wins", 0,
			attribute.MapValue(attribute.Int("b", 1), attribute.Int("a", 1), attribute.Int("b", 2), attribute.Int("a", 2), attribute.Int("b", 3)),
			attribute.MapValue(attribute.Int("a", 2), attribute.Int("b", 3)),
		},
		{
			"in a map inside of a slice inside of a map too", 0,
			attribute.MapValue(kv("k", attribute.SliceValue(attribute.MapValue(attribute.Int("a", 1), attribute.Int("a", 2))))),
			attribute.MapValue(kv("k", attribute.SliceValue(attribute.MapValue(attribute.Int("a", 2))))),
		},
		{"an empty slice is kept", 1, attribute.SliceValue(), attribute.SliceValue()},
		{"an empty map is kept", 1, attribute.MapValue(), attribute.MapValue()},
		{"64 deep is kept", 0, nest(deep, 64), nest(deep, 64)},
		{"what is deeper becomes an empty value", 0, nest(deep, 65), nest(attribute.Value{}, 64)},
		{"much deeper too", 0, nest(deep, 1000), nest(attribute.Value{}, 64)},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			in := attribute.KeyValue{Key: "a", Value: tt.in}
			got := spanOf(t, span.Config{Limits: span.Limits{ValueLength: tt.length}}, func(s trace.Span) {
				twice := []attribute.KeyValue{in, in} // what comes in place of another has limits, too
				s.SetAttributes(twice...)
				s.AddEvent("event", trace.WithAttributes(twice...))
				s.AddLink(trace.Link{SpanContext: remote(0), Attributes: twice})
			})
			for where, attrs := range map[string][]attribute.KeyValue{
				"span": got.Attributes, "event": got.Events[0].Attributes, "link": got.Links[0].Attributes,
			} {
				if len(attrs) != 1 || attrs[0].Value != tt.want {
					t.Errorf("%s: %v, want %v", where, attrs, tt.want)
				}
			}
		})
	}
}
