package global

import (
	"reflect"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// placeholders is the package of OpenTelemetry's stand-ins for globals that nobody has set.
// Their types are not exported, and it has no other way to ask.
const placeholders = "go.opentelemetry.io/otel/internal/global"

// unset reports whether x is one of the placeholders, or nil.
func unset(x any) bool {
	t := reflect.TypeOf(x)
	if t == nil {
		return true
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.PkgPath() == placeholders
}

// records reports whether a span of p could ever be seen.
func records(p trace.TracerProvider) bool {
	switch p.(type) {
	case noop.TracerProvider, *noop.TracerProvider:
		return false
	}
	return !unset(p)
}
