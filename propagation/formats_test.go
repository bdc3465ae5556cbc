package propagation_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/meshtrace/meshtrace/propagation"
	otelpropagation "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// formats are all propagators of a span context, by the name that OTEL_PROPAGATORS has for them.
var formats = map[string]otelpropagation.TextMapPropagator{
	"tracecontext": propagation.TraceContext{},
	"b3":           propagation.B3Single{},
	"b3multi":      propagation.B3{},
	"jaeger":       propagation.Jaeger{},
	"xray":         propagation.XRay{},
	"datadog":      propagation.Datadog{},
	"grpctracebin": propagation.GRPCTraceBin{},
	"linkerd":      propagation.Linkerd(),
	"linkerdb3":    propagation.LinkerdB3(),
}

// metadata is a carrier like gRPC's: lower case, several values, bytes under names in -bin, and
// nothing that this package knows of it.
type metadata map[string][]string

func (md metadata) Get(key string) string {
	if values := md[strings.ToLower(key)]; len(values) > 0 {
		return values[0]
	}
	return ""
}
func (md metadata) Values(key string) []string { return md[strings.ToLower(key)] }
func (md metadata) Set(key, value string)      { md[strings.ToLower(key)] = []string{value} }
func (md metadata) Keys() []string {
	keys := []string{}
	for key := range md {
		keys = append(keys, key)
	}
	return keys
}

// erasable is metadata from which fields can be removed.
type erasable struct{ metadata }

func (md erasable) Delete(key string) { delete(md.metadata, strings.ToLower(key)) }

func carriers() map[string]otelpropagation.TextMapCarrier {
	return map[string]otelpropagation.TextMapCarrier{
		"http.Header": otelpropagation.HeaderCarrier{},
		"map":         otelpropagation.MapCarrier{},
		"metadata":    metadata{},
		"erasable":    erasable{metadata{}},
		"environ":     &propagation.Environ{"PATH=/bin"},
	}
}

func TestEveryFormatThroughEveryCarrier(t *testing.T) {
	for name, p := range formats {
		for kind := range carriers() {
			for _, flags := range []trace.TraceFlags{0, trace.FlagsSampled} {
				t.Run(name+" in "+kind+" "+flags.String(), func(t *testing.T) {
					carrier := carriers()[kind]
					ctx, sc := span(flags)
					p.Inject(ctx, carrier)
					got := trace.SpanContextFromContext(p.Extract(context.Background(), carrier))
					if want := sc.WithRemote(true); !got.Equal(want) {
						t.Errorf("%v through %v = %v", want, carrier, got)
					}
				})
			}
		}
	}
}

func TestNothingIsWrittenWithoutSpan(t *testing.T) {
	for name, p := range formats {
		for kind, carrier := range carriers() {
			t.Run(name+" in "+kind, func(t *testing.T) {
				before := carrier.Keys()
				p.Inject(context.Background(), carrier)
				if diff := cmp.Diff(before, carrier.Keys()); diff != "" {
					t.Errorf("keys (-before +after):\n%s", diff)
				}
			})
		}
	}
}

func TestNilHeaderIsLeftAlone(t *testing.T) {
	ctx, _ := span(trace.FlagsSampled)
	for name, p := range formats {
		t.Run(name, func(t *testing.T) {
			injectedInto := otelpropagation.HeaderCarrier(nil)
			p.Inject(ctx, injectedInto) // must not panic
			p.Inject(context.Background(), injectedInto)
			if got := p.Extract(ctx, injectedInto); got != ctx {
				t.Error("Extract of nothing changed the context")
			}
		})
	}
}

func TestFieldsAreWhatIsWritten(t *testing.T) {
	ctx, _ := span(trace.FlagsSampled)
	for name, p := range formats {
		t.Run(name, func(t *testing.T) {
			fields := p.Fields()
			for key := range injected(ctx, p, nil) {
				if !slices.Contains(fields, strings.ToLower(key)) {
					t.Errorf("Inject wrote %s, Fields are %q", key, fields)
				}
			}
		})
	}
}

func TestMalformedHeadersAreNotForwarded(t *testing.T) {
	for _, tt := range []struct {
		name string
		h    http.Header
	}{
		{"tracecontext", http.Header{"Traceparent": {"00-" + tid + "-" + sid + "-"}}},
		{"b3", http.Header{"B3": {tid}}},
		{"b3multi", http.Header{"X-B3-Traceid": {""}, "X-B3-Spanid": {""}, "X-B3-Sampled": {"x"}}},
		{"jaeger", http.Header{"Uber-Trace-Id": {"0:0:0:0"}}},
		{"xray", http.Header{"X-Amzn-Trace-Id": {"Root"}}},
		{"datadog", http.Header{"X-Datadog-Trace-Id": {"-1"}, "X-Datadog-Origin": {"rum"}}},
		{"grpctracebin", http.Header{"Grpc-Trace-Bin": {"AA=="}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := injected(context.Background(), formats[tt.name], tt.h.Clone()); len(got) != 0 {
				t.Errorf("%s alone forwarded %v", tt.name, got)
			}
			if got := injected(context.Background(), propagation.Linkerd(), tt.h.Clone()); len(got) != 0 {
				t.Errorf("Linkerd forwarded %v", got)
			}
		})
	}
}

func keysOf(h http.Header) []string {
	keys := otelpropagation.HeaderCarrier(h).Keys()
	slices.Sort(keys)
	return keys
}

// splitMembers returns the members of a tracestate, without the white space around them.
func splitMembers(list string) (members []string) {
	for member := range strings.SplitSeq(list, ",") {
		if member = strings.Trim(member, " \t"); member != "" {
			members = append(members, member)
		}
	}
	return members
}

func cutMember(member string) (key, value string) {
	key, value, _ = strings.Cut(member, "=")
	return key, value
}

func sorted(members []string) []string {
	slices.Sort(members)
	return members
}
