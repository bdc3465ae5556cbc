package httpmw

import (
	"context"
	"net/http"
	"sync/atomic"
)

// said is what a context says of the requests that are sent with it.
type said struct {
	template string        // of their path
	tries    *atomic.Int64 // counts them, if they are tries of the same thing
}

type saidKey struct{}

func saidBy(ctx context.Context) said {
	s, _ := ctx.Value(saidKey{}).(said)
	return s
}

// ContextWithURLTemplate returns a context whose requests are named by a template of their path,
// such as "/users/{id}", recorded as url.template. A client knows the templates of its API and
// this package does not: it would name each URL differently, or all alike.
func ContextWithURLTemplate(ctx context.Context, template string) context.Context {
	s := saidBy(ctx)
	s.template = template
	return context.WithValue(ctx, saidKey{}, s)
}

// ContextWithResends returns a context whose requests are tries of the same thing, as a loop that
// retries makes them: each but the first has the number of those before it as
// http.request.resend_count. Without it only redirects are counted.
func ContextWithResends(ctx context.Context) context.Context {
	s := saidBy(ctx)
	s.tries = new(atomic.Int64)
	return context.WithValue(ctx, saidKey{}, s)
}

// maxResends is where counting redirects ends: somebody may have tied the chain into a ring.
const maxResends = 100

// resends returns how often what req asks for has been sent before: as often as its context has
// counted, or as redirects have led to it. net/http's client notes in each request which response
// made it send that.
func (s said) resends(req *http.Request) int {
	if s.tries != nil {
		return int(s.tries.Add(1)) - 1
	}
	n := 0
	for req != nil && req.Response != nil && n < maxResends {
		n++
		req = req.Response.Request
	}
	return n
}
