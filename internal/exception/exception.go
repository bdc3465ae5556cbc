// Package exception describes errors, and what was panicked with: exceptions, as OpenTelemetry calls
// both.
//
// Spec: OpenTelemetry semantic conventions 1.43, Exceptions in spans,
// https://opentelemetry.io/docs/specs/semconv/exceptions/exceptions-spans/
package exception

import (
	"fmt"
	"reflect"

	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// Add adds the event of a panic to a span. The stack is that of the goroutine that panicked. To describe
// what was thrown, its own methods are called.
func Add(span trace.Span, thrown any, stack []byte) {
	span.AddEvent(semconv.ExceptionEventName, trace.WithAttributes(
		semconv.ExceptionType(Type(thrown)),
		semconv.ExceptionMessage(fmt.Sprint(thrown)),
		semconv.ExceptionStacktrace(string(stack)),
	))
}

// Type returns the name of v's type with its package path. That of an error which is only a wrapper is
// the type of what it wraps.
func Type(v any) string {
	if err, ok := v.(error); ok {
		return semconv.ErrorType(err).Value.AsString()
	}
	t := reflect.TypeOf(v)
	if t.PkgPath() == "" {
		return t.String()
	}
	return t.PkgPath() + "." + t.Name()
}
