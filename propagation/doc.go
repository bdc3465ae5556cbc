// Package propagation reads and writes the headers that carry a trace from one service to the
// next. Each format is a TextMapPropagator of OpenTelemetry's, usable alone:
//
//	TraceContext  traceparent, tracestate    W3C Trace Context, level 2
//	B3            x-b3-…                     Zipkin, several headers
//	B3Single      b3                         Zipkin, one header
//	Jaeger        uber-trace-id              Jaeger's retired clients
//	GRPCTraceBin  grpc-trace-bin             OpenCensus, in gRPC metadata
//	XRay          x-amzn-trace-id            AWS X-Ray
//	Datadog       x-datadog-…                Datadog's tracers
//	Baggage       baggage                    W3C Baggage
//
// [New] makes one propagator of several. [Linkerd] is the one for a service in a Linkerd mesh,
// whose proxies rewrite one header of those that a request has, and let all others pass: the
// order of reading decides whether the proxies' spans are in the trace or beside it.
//
//	otel.SetTextMapPropagator(propagation.Linkerd())
//
// # What it promises
//
// The first format that yields a valid span context wins, in the order that is written down.
// Malformed headers are ignored, as their specifications want it, and never make an error that
// anybody logs. Nothing is written where there is no span. What is written leaves no headers of
// other formats in the carrier, since they would contradict, and without a span, none that are
// malformed.
//
// Headers come from strangers. Their length is looked at before they are; what is too long for its
// format is ignored, and costs no more for being longer still.
//
// A decision about sampling that a span context has no room for, as B3 knows several (see
// [Decision]), is kept in the context for the samplers of this module.
//
// # What it costs
//
// Parsing a trace header does not allocate. Extract from a HeaderCarrier allocates twice, for
// OpenTelemetry's context; the middlewares of this module, which can do without that, read a
// request without allocation. Inject into a HeaderCarrier allocates once for each format. What
// tracestate holds comes on top, and so does baggage: one allocation to carry it, and those of
// parsing it if somebody asks for it.
//
// # Functions for every format
//
// Beside its propagator each format has a function that parses, and if it is a single header, one
// that appends. They are without side effects, and safe for concurrent use. A Parse function
// returns a span context that is valid and remote, or an [Error], which is a constant, and keeps
// nothing that it is given. An Append function appends to a slice that the caller owns.
package propagation
