package seam_test

import (
	"context"
	"testing"

	"github.com/meshtrace/meshtrace/internal/seam"
)

func TestUntraced(t *testing.T) {
	ctx := context.Background()
	if seam.IsUntraced(ctx) {
		t.Error("a context that nobody marked is marked")
	}
	derived, cancel := context.WithCancel(seam.Untraced(ctx))
	defer cancel()
	if !seam.IsUntraced(derived) {
		t.Error("a context that is derived from a marked one has lost the mark")
	}
}
