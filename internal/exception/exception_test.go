package exception_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/meshtrace/meshtrace/internal/exception"
)

type oops struct{ n int }

type failure struct{}

func (failure) Error() string { return "it failed" }

// classified is an error that says its type itself.
type classified struct{ error }

func (classified) ErrorType() string { return "quota" }

func TestType(t *testing.T) {
	const here = "github.com/meshtrace/meshtrace/internal/exception_test."
	tests := []struct {
		rule string
		v    any
		want string
	}{
		{"a type of Go's own", "boom", "string"},
		{"a type has its package path", oops{1}, here + "oops"},
		{"a type without a name is as Go writes it", &oops{1}, "*exception_test.oops"},
		{"a value that cannot be compared", []string{"x"}, "[]string"},
		{"an error's type is its Go type", failure{}, here + "failure"},
		{"a pointer to an error", errors.New("bad"), "*errors.errorString"},
		{"what an error wraps", fmt.Errorf("once: %w", fmt.Errorf("more: %w", failure{})), here + "failure"},
		{"what an error says of itself", fmt.Errorf("over: %w", classified{io.EOF}), "quota"},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			if got := exception.Type(tt.v); got != tt.want {
				t.Errorf("Type(%v) = %q, want %q", tt.v, got, tt.want)
			}
		})
	}
}

func TestAdd(t *testing.T) {
	ended := tracetest.NewSpanRecorder()
	_, span := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(ended)).Tracer("test").Start(context.Background(), "a")
	exception.Add(span, failure{}, []byte("goroutine 1 [running]:"))
	span.End()
	events := ended.Ended()[0].Events()
	if len(events) != 1 || events[0].Name != "exception" {
		t.Fatalf("the events are %v", events)
	}
	got := map[string]string{}
	for _, kv := range events[0].Attributes {
		got[string(kv.Key)] = kv.Value.AsString()
	}
	want := map[string]string{
		"exception.type":       "github.com/meshtrace/meshtrace/internal/exception_test.failure",
		"exception.message":    "it failed",
		"exception.stacktrace": "goroutine 1 [running]:",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}
