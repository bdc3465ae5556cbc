package routers_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/examples/routers"
	"github.com/meshtrace/meshtrace/httpmw"
	"github.com/meshtrace/meshtrace/span"
)

func init() { gin.SetMode(gin.ReleaseMode) }

func TestRouters(t *testing.T) {
	for _, router := range []struct {
		name        string
		make        func(httpmw.Config, routers.Handlers) http.Handler
		user, order string // the routes, in the router's own words
		notFound    string // the name of a request that is not routed; empty if it has no span
	}{
		{"chi", routers.Chi, "/users/{id}", "/api/orders/{id}", "GET"},
		{"gorilla", routers.Gorilla, "/users/{id}", "/api/orders/{id}", ""},
		{"gin", routers.Gin, "/users/:id", "/api/orders/:id", "GET"},
		{"echo", routers.Echo, "/users/:id", "/api/orders/:id", "GET"},
	} {
		for _, request := range []struct {
			rule, method, path string
			route              string
			status             int
			name               string
		}{
			{"a route", "GET", "/users/7", router.user, 200, "GET " + router.user},
			{"a route of a nested router", "POST", "/api/orders/7", router.order, 200, "POST " + router.order},
			{"none", "GET", "/none", "", 404, router.notFound},
		} {
			t.Run(router.name+"/"+request.rule, func(t *testing.T) {
				rec := tracetest.NewSpanRecorder()
				tp, err := span.NewProvider(span.Config{Processors: []sdktrace.SpanProcessor{rec}})
				if err != nil {
					t.Fatal(err)
				}
				inSpan := func(w http.ResponseWriter, r *http.Request) {
					if !trace.SpanFromContext(r.Context()).IsRecording() {
						t.Error("the handler is not inside a span")
					}
					io.WriteString(w, "ok")
				}
				h := router.make(httpmw.Config{TracerProvider: tp}, routers.Handlers{User: inSpan, Order: inSpan})
				s := httptest.NewServer(h)
				defer s.Close()
				r, err := http.NewRequest(request.method, s.URL+request.path, strings.NewReader(""))
				if err != nil {
					t.Fatal(err)
				}
				resp, err := s.Client().Do(r)
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				s.Close()
				if resp.StatusCode != request.status {
					t.Errorf("status %d, want %d", resp.StatusCode, request.status)
				}
				var name, route string
				for _, sp := range rec.Ended() {
					name = sp.Name()
					for _, kv := range sp.Attributes() {
						if kv.Key == "http.route" {
							route = kv.Value.AsString()
						}
					}
				}
				if name != request.name || route != request.route {
					t.Errorf("span %q with route %q, want %q with %q", name, route, request.name, request.route)
				}
			})
		}
	}
}
