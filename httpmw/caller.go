package httpmw

import (
	"net/http"

	"github.com/meshtrace/meshtrace/internal/caller"
)

// extract reads the caller's context from the headers. Inside the span of another middleware, as
// when a handler is wrapped twice, that span is the parent: it has read the headers already.
func (h *handler) extract(r *http.Request) caller.Caller {
	ctx := r.Context()
	if caller.Inside(ctx) {
		return caller.Caller{Ctx: ctx}
	}
	after, parent, plain := h.propagators.Extract(ctx, r.Header)
	c := caller.Caller{Ctx: ctx, Parent: parent}
	if !plain {
		c = caller.Read(ctx, after)
	}
	if h.isPublic(r) {
		c = c.Stranger(ctx)
	}
	if h.cfg.Decide != nil {
		c = c.Decided(h.cfg.Decide(r))
	}
	return c
}

// isPublic reports whether whoever sent r is a stranger.
func (h *handler) isPublic(r *http.Request) bool {
	if h.cfg.PublicRequest != nil {
		return h.cfg.PublicRequest(r)
	}
	return h.cfg.Public
}

// Decision is what a [Config] decides about one request in the sampler's place.
type Decision = caller.Decision

// The decisions.
const (
	// Inherit leaves it to the sampler.
	Inherit = caller.Inherit

	// Drop records nothing of the request. What it calls is told so, and a sampler that heeds
	// its parent follows.
	Drop = caller.Drop

	// Sample records the request. If it has a parent, any sampler that heeds its parent
	// follows; if it starts the trace, meshtrace's sampler.ParentBased does.
	Sample = caller.Sample
)
