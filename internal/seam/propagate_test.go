package seam_test

import (
	"context"
	"testing"

	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/internal/seam"
)

func TestAnyDecision(t *testing.T) {
	ctx := context.Background()
	if d, id := seam.AnyDecision(ctx); d != seam.NoDecision || id.IsValid() {
		t.Errorf("decision %d for %v where nobody said anything", d, id)
	}
	one := trace.TraceID{1}
	if d, id := seam.AnyDecision(seam.ContextWithDecision(ctx, seam.Debug, one)); d != seam.Debug || id != one {
		t.Errorf("decision %d for %v, want %d for %v", d, id, seam.Debug, one)
	}
}

func TestLinksFromContext(t *testing.T) {
	ctx := context.Background()
	if links := seam.LinksFromContext(ctx); links != nil {
		t.Errorf("links %v where nobody put any", links)
	}
	links := []trace.Link{{}, {}}
	if got := seam.LinksFromContext(seam.ContextWithLinks(ctx, links)); len(got) != len(links) {
		t.Errorf("%d links, want %d", len(got), len(links))
	}
}

func TestDebugIDFromContext(t *testing.T) {
	ctx := context.Background()
	if id := seam.DebugIDFromContext(ctx); id != "" {
		t.Errorf("debug ID %q where nobody put one", id)
	}
	// A decision and links are carried beside it, not in its place.
	ctx = seam.ContextWithDecision(seam.ContextWithLinks(seam.ContextWithDebugID(ctx, "find me"), nil), seam.Debug, trace.TraceID{})
	if id := seam.DebugIDFromContext(ctx); id != "find me" {
		t.Errorf("debug ID %q, want the one that was put there", id)
	}
}
