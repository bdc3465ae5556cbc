package routers

import (
	"net/http"

	"github.com/gorilla/mux"

	"github.com/meshtrace/meshtrace/httpmw"
)

// Gorilla returns a gorilla/mux router in which every request that it routes is traced. It runs
// its middlewares when it has matched a route, so the sampler knows the route too.
func Gorilla(cfg httpmw.Config, h Handlers) http.Handler {
	cfg.Route = func(r *http.Request) string {
		matched := mux.CurrentRoute(r)
		if matched == nil {
			return ""
		}
		template, err := matched.GetPathTemplate()
		if err != nil {
			return "" // a route without a path
		}
		return template
	}
	router := mux.NewRouter()
	router.Use(httpmw.New(cfg).Wrap)
	router.HandleFunc("/users/{id}", h.User).Methods(http.MethodGet)
	router.PathPrefix("/api").Subrouter().HandleFunc("/orders/{id}", h.Order).Methods(http.MethodPost)
	return router
}
