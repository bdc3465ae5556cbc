// Package seam holds the shortcuts by which meshtrace's packages recognise each other.
//
// OpenTelemetry's public interfaces make a caller allocate: option slices to start a span,
// a snapshot to export one, a context to carry a remote parent. Packages of this module speak
// those interfaces to everybody, and the smaller ones of this package among themselves. Each
// seam is one type assertion in one place, with the public interface as its fallback:
//
//	headers -> HeaderExtractor (propagation) -> middleware
//	middleware -> Starter (span)             in place of trace.Tracer.Start
//
// Those that name types of OpenTelemetry's SDK are in package sdkseam.
//
// A seam may only be faster than the public way, never different: a test of each runs both
// ways to the same result.
package seam
