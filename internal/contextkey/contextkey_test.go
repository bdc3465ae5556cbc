package contextkey_test

import (
	"context"
	"testing"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/meshtrace/meshtrace/internal/contextkey"
)

type key struct{}

type other struct{}

func TestOf(t *testing.T) {
	tests := []struct {
		rule string
		read func(ctx context.Context)
		want any
	}{
		{"the key that is asked for", func(ctx context.Context) { ctx.Value(key{}) }, key{}},
		{"the last of several", func(ctx context.Context) { ctx.Value(other{}); ctx.Value(key{}) }, key{}},
		{"through a context further in", func(ctx context.Context) { context.WithValue(ctx, other{}, 1).Value(key{}) }, key{}},
		{"none, if the context is not asked", func(context.Context) {}, nil},
		{"none, if one further in has the answer", func(ctx context.Context) { context.WithValue(ctx, key{}, 1).Value(key{}) }, nil},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			if got := contextkey.Of(tt.read); got != tt.want {
				t.Errorf("the key is %v, want %v", got, tt.want)
			}
		})
	}
}

// What is found so is the key that the owner of the value looks for.
func TestTheKeyOfAnotherPackage(t *testing.T) {
	key := contextkey.Of(func(ctx context.Context) { trace.SpanFromContext(ctx) })
	span := trace.Span(&noop.Span{})
	if got := trace.ContextWithSpan(context.Background(), span).Value(key); got != span {
		t.Errorf("under the key is %v, want the span", got)
	}
	if got := trace.SpanFromContext(context.WithValue(context.Background(), key, span)); got != span {
		t.Errorf("the span is %v, want what is under the key", got)
	}
}
