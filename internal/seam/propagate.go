package seam

import (
	"context"

	otelpropagation "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// A HostInjector is a propagator that does not send the same to every host. A client that knows
// the host uses InjectTo in place of Inject.
type HostInjector interface {
	// InjectTo does what Inject does for a request to the host, whose name comes without port.
	InjectTo(ctx context.Context, host string, carrier otelpropagation.TextMapCarrier)
}

// AnyDecision returns the decision that ctx carries, and the trace that it was made for, whose
// ID is zero if the caller named no trace.
func AnyDecision(ctx context.Context) (Decision, trace.TraceID) {
	d, _ := ctx.Value(decisionKey{}).(decided)
	return d.decision, d.traceID
}

type linksKey struct{}

// ContextWithLinks returns a context that carries links to span contexts that a request named
// beside the one that became its parent.
func ContextWithLinks(ctx context.Context, links []trace.Link) context.Context {
	return context.WithValue(ctx, linksKey{}, links)
}

// LinksFromContext returns the links that ctx carries. Who starts the request's span adds them
// to it. They are not to be changed.
func LinksFromContext(ctx context.Context) []trace.Link {
	links, _ := ctx.Value(linksKey{}).([]trace.Link)
	return links
}

type debugIDKey struct{}

// ContextWithDebugID returns a context that carries the text by which a caller wants to find the
// trace again that it asks for, as Jaeger's header jaeger-debug-id does.
func ContextWithDebugID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, debugIDKey{}, id)
}

// DebugIDFromContext returns the text that ctx carries, or "". Who starts the root span adds it
// as the attribute jaeger-debug-id, if the caller is to be trusted with a decision.
func DebugIDFromContext(ctx context.Context) string {
	id, _ := ctx.Value(debugIDKey{}).(string)
	return id
}
