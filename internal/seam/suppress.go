package seam

import "context"

type untracedKey struct{}

// Untraced returns a context whose HTTP requests and calls the middlewares leave alone: no span,
// no trace headers. An exporter's own requests would otherwise make spans to export.
func Untraced(ctx context.Context) context.Context {
	return context.WithValue(ctx, untracedKey{}, true)
}

// IsUntraced reports whether ctx comes from [Untraced].
func IsUntraced(ctx context.Context) bool {
	return ctx.Value(untracedKey{}) != nil
}
