package propagation

import (
	"strings"

	otelpropagation "go.opentelemetry.io/otel/propagation"
)

// Linkerd returns the propagator for a service whose pod has a Linkerd proxy.
//
// The proxy takes the first of traceparent, grpc-trace-bin and the several B3 headers that it
// understands, and rewrites that one; all others pass, and say what they said some hops ago. So
// this propagator reads in the proxy's order what the proxy would understand: traceparent of
// version 00, grpc-trace-bin with padding, the several B3 headers. Then it reads what no proxy
// has touched: later versions of traceparent, grpc-trace-bin without padding, b3, uber-trace-id.
// The parent of a request's span is then the proxy's span wherever there is one.
//
// It writes traceparent, tracestate and baggage, which the proxies of Linkerd 2.13 and later
// understand, and removes the headers of all other formats.
//
// Spec: linkerd2-proxy 2.320 and later, linkerd/trace-context/src/propagation.rs, https://github.com/linkerd/linkerd2-proxy
func Linkerd() otelpropagation.TextMapPropagator { return New(Config{}) }

// LinkerdB3 returns the propagator for a service in a mesh that knows only B3: one whose proxies are
// older than Linkerd 2.13, or in which no service writes traceparent.
//
// Those proxies take the first of grpc-trace-bin and the several B3 headers, and that is what it
// reads first, then traceparent, b3 and uber-trace-id, which they do not know. Behind a proxy
// of today, in a request that has traceparent and B3, this is the wrong order: it cuts the
// proxy's spans out of the trace. Use [Linkerd] there.
//
// It writes the several B3 headers and baggage, and removes the headers of all other formats. It
// deviates from B3 in one thing: a debug trace, which X-B3-Flags: 1 alone would say, also has
// X-B3-Sampled: 1, since the proxy looks at nothing else to decide whether it records.
//
// Spec: linkerd2-proxy before 2.190, linkerd/trace-context/src/b3.rs, https://github.com/linkerd/linkerd2-proxy
func LinkerdB3() otelpropagation.TextMapPropagator {
	return New(Config{
		Extract: []otelpropagation.TextMapPropagator{
			paddedGRPCTraceBin{}, b3Several{},
			TraceContext{}, GRPCTraceBin{}, b3Single{}, Jaeger{}, Baggage{},
		},
		Inject: []otelpropagation.TextMapPropagator{B3{sampledWithDebug: true}, Baggage{}},
	})
}

func linkerdExtract() []otelpropagation.TextMapPropagator {
	return []otelpropagation.TextMapPropagator{
		traceContext00{}, paddedGRPCTraceBin{}, b3Several{},
		TraceContext{}, GRPCTraceBin{}, b3Single{}, Jaeger{}, Baggage{},
	}
}

func linkerdInject() []otelpropagation.TextMapPropagator {
	return []otelpropagation.TextMapPropagator{TraceContext{}, Baggage{}}
}

// traceContext00 reads no version of traceparent but the one that the proxy understands.
type traceContext00 struct{ TraceContext }

func (traceContext00) read(c carrier) found {
	value := c.only(fieldTraceparent)
	if !strings.HasPrefix(value, "00-") {
		return found{}
	}
	return readTraceContext(&c, value)
}

// paddedGRPCTraceBin does not read base64 without padding: a proxy that understands it anyway, as
// those before 2.320 do, has written the padding.
type paddedGRPCTraceBin struct{ GRPCTraceBin }

func (paddedGRPCTraceBin) read(c carrier) found {
	value := c.first(fieldGRPCTraceBin)
	if value == "" || value[0] != binVersion && len(value)%4 != 0 {
		return found{}
	}
	return readGRPCTraceBin(value)
}

// b3Several reads only those headers of B3 that the proxy does.
type b3Several struct{ B3 }

func (b3Several) reads() fieldSet      { return b3SeveralFields }
func (b3Several) heads() fieldSet      { return b3SeveralHeads }
func (b3Several) read(c carrier) found { return readB3Several(&c) }

// b3Single reads only the header of B3 that the proxy does not know.
type b3Single struct{ B3Single }

func (b3Single) reads() fieldSet      { return b3SingleField }
func (b3Single) heads() fieldSet      { return b3SingleField }
func (b3Single) read(c carrier) found { return readB3Single(&c) }
