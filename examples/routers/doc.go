// Package routers shows how httpmw learns the route from routers other than net/http's own.
//
// httpmw takes the route from http.Request.Pattern, which [http.ServeMux] sets. Other routers keep
// it elsewhere, and there are two ways to tell: [httpmw.Config.Route] asks a router that keeps it
// in the request's context, and [httpmw.SetRoute] is for one that tells its handlers.
//
// It is a module of its own, so that the library does not depend on the routers.
package routers

import "net/http"

// Handlers are what the examples route to.
type Handlers struct {
	User  http.HandlerFunc // GET /users/{id}
	Order http.HandlerFunc // POST /api/orders/{id}, in a router of its own
}
