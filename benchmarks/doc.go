// Package benchmarks compares meshtrace with what is used in its place: otelhttp, otelgrpc,
// OpenTelemetry's SDK and its OTLP exporter, each at its newest release, side by side in one run.
//
//	go run ./compare                        the table, with ratios
//	go test -run '^$' -bench . .            the same operations as Go benchmarks
//	go test ./...                           that every contender really does the work
//
// What is measured is what tracing adds: every row has a baseline without it, and all that a
// contender does counts, on the request's goroutine and behind it, until the last span has been
// acknowledged. Costs are CPU time of the process (getrusage) and allocations of all goroutines
// (runtime.MemStats), not time on a clock. What receives the spans runs in a process of its own,
// decodes and counts them: a contender that lost spans would have done less work, and the run
// says so.
//
// It needs an operating system with getrusage: Linux, macOS, a BSD.
package benchmarks
