// Package linkerd does with traces what the proxy of a Linkerd 2 mesh does. It is the test
// double for the mesh.
//
// A [Proxy] is the sidecar of one pod. What its application sends goes through [Proxy.Outbound],
// what is sent to its application through [Proxy.Inbound], and each side makes two spans:
//
//	app A -> Outbound: server, route, client -> wire -> Inbound: server, client -> app B
//
// Every span is the child of the one before it, because every layer puts the ID of its own span
// into the header in which it found the trace. The rest follows from how the real proxy works,
// and is what a tracing library in a mesh has to live with:
//
//   - It reads traceparent, then grpc-trace-bin, then the several B3 headers. The first that
//     parses wins and is the only one that is rewritten; all others pass through stale.
//   - It never starts a trace and never samples. An unsampled context is rewritten all the same,
//     with IDs that no collector will ever see.
//   - A span ends at the response's headers. A request that fails before them, or is cancelled,
//     leaves no span, although its ID went out.
//   - The spans wait in a queue of 100 and are dropped when it is full. They are exported once in
//     ten seconds or when 1000 are waiting, one request at a time, never twice.
//
// HTTP/2 stays HTTP/2 all the way, and with it gRPC: messages pass one by one in both directions,
// trailers and responses of nothing but a head as they are, and a stream that is cancelled or reset
// at one end is so at the other, with the same code.
//
// Two things differ from the real proxy: it exports by OTLP over gRPC and mutual TLS, this one by
// OTLP over HTTP; and only headers follow the older generations that a [Mode] names, while spans
// always have the form of the present one.
//
// The package shares no code with the propagators that it tests: its parsers follow the proxy's
// quirks, not the specifications. One quirk is dangerous. The value 00-T-S- of a traceparent, with
// nothing behind the last dash, makes the real proxy panic, and here the connection is dropped.
//
// Written after linkerd2-proxy 2.359, https://github.com/linkerd/linkerd2-proxy
package linkerd
