// Package sampler decides, where a trace starts, whether it is recorded.
//
// Only one service can decide: the one that starts the trace. The Linkerd proxies around it
// start none and decide nothing, they follow the sampled flag that they are handed. The
// percentage that people expect of a mesh is therefore set in the applications, and the
// services after the first follow:
//
//	headers -> propagation -> span context, and what B3 says beside it
//	                              |
//	                         ParentBased --- the caller decided ---> as it decided
//	                              |
//	                              +--- nobody has decided yet -----> Percent, Ratio or PerSecond
//
// A program for a tenth of all traces, and one for ten traces a second:
//
//	tenth, err := sampler.Percent(10)
//	if err != nil {
//		return err
//	}
//	tracing, err := meshtrace.Start(ctx, meshtrace.Config{Sampler: sampler.ParentBased(tenth)})
//
//	ten, err := sampler.PerSecond(10, 20)
//	if err != nil {
//		return err
//	}
//	provider := sdktrace.NewTracerProvider(sdktrace.WithSampler(sampler.ParentBased(ten)))
//
// # Guarantees
//
// Every sampler is an [sdktrace.Sampler] and works in OpenTelemetry's SDK as it does in
// meshtrace. It is safe for concurrent use, always hands the parent's tracestate on, and adds
// no attributes. A setting that makes no sense is refused by name, never bent into one that
// does: who writes 150 for a percentage has made a mistake that only they can mend.
//
// Percent and Ratio decide by the trace ID alone. They agree with each other, with themselves
// in every other service, and with OpenTelemetry's TraceIDRatioBased in Go; a trace that is
// sampled at one ratio is sampled at every larger one.
//
// # Cost
//
// A decision takes no lock, starts no goroutine and allocates nothing. Percent and Ratio are
// one comparison; PerSecond reads the clock and, for a trace that it lets in, swaps one number;
// ParentBased looks into the context once or twice. None looks at attributes, so a tracer need not
// build them first. A sampler of somebody else as the root of ParentBased has its own cost.
package sampler
