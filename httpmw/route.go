package httpmw

import (
	"context"
	"net/http"
	"strings"
)

// route is where a request went.
type route struct {
	path    string // http.route; empty if it is not known
	pattern string // the pattern of a ServeMux that path comes from, if it does
}

// patternRoute returns the route that a [http.ServeMux] pattern describes: its path, for neither
// the method nor the host is part of http.route.
//
// Spec: Go package net/http, "[METHOD ][HOST]/[PATH]", https://pkg.go.dev/net/http#hdr-Patterns-ServeMux
func patternRoute(pattern string) route {
	if i := strings.IndexByte(pattern, '/'); i >= 0 {
		return route{path: pattern[i:], pattern: pattern}
	}
	return route{}
}

// routeBefore returns what is known of the route before r is served: what a router further out
// says, or what the mux to be called will match. The latter costs a look-up, so it is made only if
// the sampler asks; otherwise the mux will have told it when it has been called.
func (h *handler) routeBefore(r *http.Request, asked bool) route {
	if h.cfg.Route != nil {
		if path := h.cfg.Route(r); path != "" {
			return route{path: path}
		}
	}
	if r.Pattern == "" && h.mux != nil && asked {
		_, pattern := h.mux.Handler(r)
		return patternRoute(pattern)
	}
	return patternRoute(r.Pattern)
}

// routeAfter returns what is known of the route when r has been served. Whoever said it by
// [SetRoute] knows best, then a router that can be asked.
func (x *exchange) routeAfter() route {
	if told := x.told.Load(); told != nil {
		return *told
	}
	if ask := x.m.cfg.Route; ask != nil {
		if path := ask(x.inner); path != "" {
			return route{path: path}
		}
	}
	if x.inner.Pattern != "" {
		return patternRoute(x.inner.Pattern)
	}
	return route{path: x.path}
}

// SetRoute says which route the request has whose context is given, or whose context it is a part
// of. It is for routers that do not set http.Request.Pattern; the last call counts. Without a
// span that is recorded it does nothing. It is safe for concurrent use.
func SetRoute(ctx context.Context, path string) {
	if x, ok := ctx.Value(exchangeKey{}).(*exchange); ok {
		x.told.Store(&route{path: path})
	}
}

// Routes returns a handler that calls next, a [http.ServeMux] or a handler that has one, and tells
// the span which pattern it matched. It is needed only if there are handlers between the
// middleware and next that hand on a copy of the request, as http.Request.WithContext makes one:
// net/http writes the pattern into the copy. Of nested Routes the innermost counts.
func Routes(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if x, ok := r.Context().Value(exchangeKey{}).(*exchange); ok {
			defer x.matched(r)
		}
		next.ServeHTTP(w, r)
	})
}

// matched notes the request that a mux has had, and the pattern that it was matched by, unless
// somebody has said the route.
func (x *exchange) matched(r *http.Request) {
	x.routed.CompareAndSwap(nil, r)
	if found := patternRoute(r.Pattern); found.path != "" {
		x.told.CompareAndSwap(nil, &found)
	}
}

// spanName returns the name of r's span.
func (m *Middleware) spanName(r *http.Request, to route) string {
	if m.cfg.SpanName != nil {
		return m.cfg.SpanName(r, to.path)
	}
	return to.name(r.Method)
}

// name returns "{method} {route}", or the method alone if the route is not known.
//
// Spec: OpenTelemetry semantic conventions, HTTP spans, Name,
// https://opentelemetry.io/docs/specs/semconv/http/http-spans/#name
func (to route) name(method string) string {
	known, _ := knownMethod(method)
	if known == otherMethod {
		known = "HTTP"
	}
	switch {
	case to.path == "":
		return known
	case len(to.pattern) == len(known)+1+len(to.path) && strings.HasPrefix(to.pattern, known):
		return to.pattern // "GET /users/{id}" is the name already
	}
	return join(known, " ", to.path)
}
