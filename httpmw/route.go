package httpmw

import (
	"net/http"
	"strings"

	"github.com/meshtrace/meshtrace/internal/global"
)

// pattern returns what is known of the route before r is served: the pattern that a mux further
// out has matched, or the one that the mux to be called will match. The latter costs a look-up,
// so it is made only if the sampler looks at it.
func (h *handler) pattern(t *global.Tracer, r *http.Request) string {
	if r.Pattern != "" || h.mux == nil || !t.AsksAttributes() {
		return r.Pattern
	}
	_, pattern := h.mux.Handler(r)
	return pattern
}

// spanName returns "{method} {route}", or the method alone if the route is not known. pattern is
// as a [http.ServeMux] has it.
//
// Spec: OpenTelemetry semantic conventions, HTTP spans, Name,
// https://opentelemetry.io/docs/specs/semconv/http/http-spans/#name
func spanName(method, pattern string) string {
	known, _ := knownMethod(method)
	if known == otherMethod {
		known = "HTTP"
	}
	route := routeOf(pattern)
	switch {
	case route == "":
		return known
	case len(pattern) == len(known)+1+len(route) && strings.HasPrefix(pattern, known):
		return pattern // "GET /users/{id}" is the name already
	}
	return known + " " + route
}

// routeOf returns the path of a [http.ServeMux] pattern: the method is not part of the route, nor
// is the host.
//
// Spec: Go package net/http, Patterns, "[METHOD ][HOST]/[PATH]", https://pkg.go.dev/net/http#hdr-Patterns-ServeMux
func routeOf(pattern string) string {
	if i := strings.IndexByte(pattern, '/'); i >= 0 {
		return pattern[i:]
	}
	return ""
}
