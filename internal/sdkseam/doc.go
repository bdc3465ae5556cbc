// Package sdkseam holds the seams between span, sampler and exporter. They name types of
// OpenTelemetry's SDK, so they stand apart from package seam: what only knows the API, as the
// middlewares do, does not link the SDK.
//
//	span -> Sampler (sampler)    in place of sdktrace.Sampler.ShouldSample
//	span -> Sink (exporter)      in place of sdktrace.SpanExporter.ExportSpans
package sdkseam
