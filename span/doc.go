// Package span records spans. It is an OpenTelemetry [trace.TracerProvider]: whatever is
// instrumented for OpenTelemetry works with it, and samplers, processors, exporters and ID
// generators are those of OpenTelemetry's SDK.
//
//	Tracer.Start -> IDs -> Sampler -- drop --> a span that only hands its context on
//	                          |
//	                        record
//	                          |
//	                   SetAttributes ... End --> Processors (a copy)
//	                                      |
//	                                      +----> Exporter (the record itself, if it is meshtrace's)
//
// A program that sends its spans to a collector:
//
//	exp, err := exporter.New(exporter.Config{Endpoint: "http://localhost:4318"})
//	if err != nil {
//		return err
//	}
//	provider, err := span.NewProvider(span.Config{Exporter: exp})
//	if err != nil {
//		return err
//	}
//	defer provider.Shutdown(ctx)
//
//	ctx, s := provider.Tracer("example").Start(ctx, "load profile")
//	defer s.End()
//
// meshtrace.Start does this, and reads the environment.
//
// # Guarantees
//
// A span is safe for concurrent use, also while it ends. After its end every call does nothing, no
// matter how long the span is kept: what is pooled is never in a user's hands. It ends once,
// and goes to each processor and to the exporter once, with all that was recorded before.
//
// The context that comes with a span is the span. It has the values, the deadline and the
// cancellation of the context that the span was started in, and outlives the span's end.
//
// What a processor or a foreign exporter is given stays as it is, and is theirs to keep. A processor
// can also read and write a span while it records.
//
// [Limits] bound what a span holds, and what they cost a span is counted on it.
// [Provider.Stats] accounts for every span. After [Provider.Shutdown] tracers hand the caller's
// context on, so that traces do not break while a service goes down.
//
// Where OpenTelemetry's SDK does otherwise, the specification or W3C's says why. The tests run both
// side by side, and have a table of the differences.
//
// # Cost
//
// A recorded span is one allocation, and so is one that is not sampled. Neither takes a lock that
// others share. A span's own events, links and nested values allocate what they hold. A processor
// costs each span a copy, of four allocations at the most. A sampler, processor or ID generator that
// only knows OpenTelemetry's interfaces costs a context for each remote parent.
package span
