package seam_test

import (
	"context"
	"testing"

	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/internal/seam"
)

func TestDecisionFromContext(t *testing.T) {
	one, other := trace.TraceID{1}, trace.TraceID{2}
	for _, tt := range []struct {
		rule string
		ctx  context.Context
		of   trace.TraceID
		want seam.Decision
	}{
		{"nobody said anything", context.Background(), trace.TraceID{}, seam.NoDecision},
		{"nobody said anything about this trace", context.Background(), one, seam.NoDecision},
		{"said about this trace", seam.ContextWithDecision(context.Background(), seam.Debug, one), one, seam.Debug},
		{"what was said about another does not count", seam.ContextWithDecision(context.Background(), seam.Debug, other), one, seam.NoDecision},
		{"said without a trace", seam.ContextWithDecision(context.Background(), seam.Deny, trace.TraceID{}), trace.TraceID{}, seam.Deny},
		{"what was said without a trace is not about one", seam.ContextWithDecision(context.Background(), seam.Deny, trace.TraceID{}), one, seam.NoDecision},
		{"the last word counts", seam.ContextWithDecision(seam.ContextWithDecision(context.Background(), seam.Debug, one), seam.Accept, one), one, seam.Accept},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			if got := seam.DecisionFromContext(tt.ctx, tt.of); got != tt.want {
				t.Errorf("decision %d, want %d", got, tt.want)
			}
		})
	}
}
