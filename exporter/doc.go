// Package exporter delivers finished spans to Jaeger, or to anything that takes OTLP, and counts
// every span that it could not deliver.
//
//	span ends -> shard (encoded bytes) -> queue -> batch -> POST -> exported
//	                |                      |                  |
//	                too large, queue full  oldest dropped     rejected
//
// A span is encoded in the wire format as it ends, on the goroutine that ends it, into the
// append buffer of one of several shards. From there on spans are bytes: one goroutine owns the
// queue, and a few at a time post batches. A batch that fails goes back to the head of the queue
// and is tried again for as long as memory allows; then the oldest spans are dropped.
//
//	exp, err := exporter.New(exporter.Config{Endpoint: "http://localhost:4318"})
//	provider, err := span.NewProvider(span.Config{Exporter: exp})
//
// An [Exporter] is also an [sdktrace.SpanExporter], so it works behind OpenTelemetry's own SDK and
// batcher.
//
// # Guarantees
//
// The goroutine that ends a span never waits for the network, and takes no lock that all
// goroutines share. Memory is bounded: nothing is held unless [Queue.MaxBytes] has room for it. How
// large a span is shows when it has been encoded, so one that is too large takes memory for that moment;
// Limits.ValueLength of package span is against texts without end.
// [Exporter.Stats] accounts for every span, and [Exporter.Shutdown] says how many were lost and why.
//
// A span is delivered once, unless the server's answer is lost: then it is sent again, and the
// server may have it twice. Spans can arrive in any order.
//
// # Cost
//
// Encoding a server span takes about half a microsecond and no allocation; a delivered batch costs
// a few dozen, whatever its size.
package exporter
