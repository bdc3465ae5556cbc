package propagation

import (
	"strings"

	otelpropagation "go.opentelemetry.io/otel/propagation"
)

// Linkerd returns the propagator for a service whose pod has a Linkerd proxy.
//
// The proxy takes the first of traceparent, grpc-trace-bin and the several B3 headers that it
// understands, and rewrites that one; all others pass, and say what they said some hops ago. So
// this propagator reads in the proxy's order, as the proxy would: traceparent of version 00,
// grpc-trace-bin unless it is base64 without padding, the several B3 headers. Then it reads what
// the proxy does not: later versions of traceparent, grpc-trace-bin without padding, b3, and
// uber-trace-id. The parent of the request's span is then the proxy's span wherever there is one.
//
// It writes traceparent, tracestate and baggage, which all proxies since Linkerd 2.13 understand,
// and removes the headers of all other formats.
//
// Spec: linkerd2-proxy, linkerd/trace-context/src/propagation.rs
func Linkerd() otelpropagation.TextMapPropagator {
	return New(Config{})
}

func linkerdExtract() []otelpropagation.TextMapPropagator {
	return []otelpropagation.TextMapPropagator{
		proxyTraceContext{}, b3Several{},
		TraceContext{}, b3Single{}, Baggage{},
	}
}

func linkerdInject() []otelpropagation.TextMapPropagator {
	return []otelpropagation.TextMapPropagator{TraceContext{}, Baggage{}}
}

// proxyTraceContext reads traceparent as Linkerd's proxy does: version 00 only.
type proxyTraceContext struct{ TraceContext }

func (p proxyTraceContext) read(c carrier) found {
	if !strings.HasPrefix(c.first(fieldTraceparent), "00-") {
		return found{}
	}
	return p.TraceContext.read(c)
}

// b3Several reads only the several headers of B3, which the proxy rewrites.
type b3Several struct{ B3 }

func (b3Several) reads() fieldSet      { return b3SeveralFields }
func (b3Several) read(c carrier) found { return readB3Several(c) }

// b3Single reads only the single header of B3, which the proxy does not know.
type b3Single struct{ B3Single }

func (b3Single) reads() fieldSet      { return b3SingleField }
func (b3Single) read(c carrier) found { return readB3Single(c) }
