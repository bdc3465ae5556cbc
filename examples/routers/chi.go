package routers

import (
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/meshtrace/meshtrace/httpmw"
)

// Chi returns a chi router in which every request is traced. The middleware is inside chi, by
// Use, so that it finds chi's context; the pattern is complete once the request has been routed.
func Chi(cfg httpmw.Config, h Handlers) http.Handler {
	cfg.Route = func(r *http.Request) string {
		if routed := chi.RouteContext(r.Context()); routed != nil {
			return routed.RoutePattern()
		}
		return ""
	}
	router := chi.NewRouter()
	router.Use(httpmw.New(cfg).Wrap)
	router.Get("/users/{id}", h.User)
	router.Route("/api", func(api chi.Router) {
		api.Post("/orders/{id}", h.Order)
	})
	return router
}
