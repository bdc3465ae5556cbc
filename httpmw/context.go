package httpmw

import (
	"context"
	"net/http"
	"sync/atomic"
)

type (
	templateKey struct{}
	resendsKey  struct{}
)

// same reports whether a and b are known to be one context. Somebody's own may be of a type for
// which == panics; such are taken for two.
func same(a, b context.Context) (known bool) {
	defer func() { recover() }()
	return a == b
}

// ContextWithURLTemplate returns a context whose requests are named by a template of their path,
// such as "/users/{id}", recorded as url.template. A client knows the templates of its API and
// this package does not: it would name each URL differently, or all alike.
func ContextWithURLTemplate(ctx context.Context, template string) context.Context {
	return context.WithValue(ctx, templateKey{}, template)
}

func templateOf(ctx context.Context) string {
	template, _ := ctx.Value(templateKey{}).(string)
	return template
}

// ContextWithResends returns a context whose requests are tries of the same thing, as a loop that
// retries makes them: each but the first has the number of those before it as
// http.request.resend_count. Without it only redirects are counted.
func ContextWithResends(ctx context.Context) context.Context {
	return context.WithValue(ctx, resendsKey{}, new(atomic.Int64))
}

// maxResends is where counting redirects ends: somebody may have tied the chain into a ring.
const maxResends = 100

// resends returns how often what req asks for has been sent before: as often as its context has
// counted, or as redirects have led to it. net/http's client notes in each request which response
// made it send that.
func resends(req *http.Request) int {
	if count, ok := req.Context().Value(resendsKey{}).(*atomic.Int64); ok {
		return int(count.Add(1)) - 1
	}
	n := 0
	for req != nil && req.Response != nil && n < maxResends {
		n++
		req = req.Response.Request
	}
	return n
}
