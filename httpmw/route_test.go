package httpmw_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/httpmw"
)

// copying is a middleware that hands on a copy of the request, as many do.
func copying(next http.Handler) http.Handler {
	type key struct{}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), key{}, 1)))
	})
}

// TestRoute learns the route from whoever knows it. It is long because of its table.
func TestRoute(t *testing.T) {
	routed := func() http.Handler {
		mux := http.NewServeMux()
		mux.HandleFunc("GET /users/{id}", okHandler)
		return mux
	}
	for _, tt := range []struct {
		rule  string
		cfg   httpmw.Config
		wrap  func(m *httpmw.Middleware) http.Handler
		name  string
		route string
	}{
		{
			rule: "a mux below", name: "GET /users/{id}", route: "/users/{id}",
			wrap: func(m *httpmw.Middleware) http.Handler { return m.Wrap(routed()) },
		},
		{
			rule: "a mux above", name: "GET /users/{id}", route: "/users/{id}",
			wrap: func(m *httpmw.Middleware) http.Handler {
				mux := http.NewServeMux()
				mux.Handle("GET /users/{id}", m.Wrap(http.HandlerFunc(okHandler)))
				return mux
			},
		},
		{
			rule: "a mux below a handler that hands on the request", name: "GET /users/{id}", route: "/users/{id}",
			wrap: func(m *httpmw.Middleware) http.Handler {
				mux := routed()
				return m.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { mux.ServeHTTP(w, r) }))
			},
		},
		{
			rule: "a mux below one that hands on a copy", name: "GET", route: "",
			wrap: func(m *httpmw.Middleware) http.Handler { return m.Wrap(copying(routed())) },
		},
		{
			rule: "unless Routes is around the mux", name: "GET /users/{id}", route: "/users/{id}",
			wrap: func(m *httpmw.Middleware) http.Handler { return m.Wrap(copying(copying(httpmw.Routes(routed())))) },
		},
		{
			rule: "of nested Routes the innermost counts", name: "GET /users/{id}", route: "/users/{id}",
			wrap: func(m *httpmw.Middleware) http.Handler {
				outer := http.NewServeMux()
				outer.Handle("/", copying(httpmw.Routes(routed())))
				return m.Wrap(copying(httpmw.Routes(outer)))
			},
		},
		{
			rule: "Routes also when the handler panics", name: "GET /users/{id}", route: "/users/{id}",
			wrap: func(m *httpmw.Middleware) http.Handler {
				mux := http.NewServeMux()
				mux.HandleFunc("/users/{id}", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
				h := m.Wrap(copying(httpmw.Routes(mux)))
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					defer func() { recover() }()
					h.ServeHTTP(w, r)
				})
			},
		},
		{
			rule: "who says the route knows best", name: "GET /said/:id", route: "/said/:id",
			wrap: func(m *httpmw.Middleware) http.Handler {
				mux := http.NewServeMux()
				mux.HandleFunc("GET /users/{id}", func(_ http.ResponseWriter, r *http.Request) {
					ctx, cancel := context.WithCancel(r.Context())
					defer cancel()
					httpmw.SetRoute(ctx, "/wrong")
					httpmw.SetRoute(ctx, "/said/:id")
				})
				return m.Wrap(copying(httpmw.Routes(mux)))
			},
		},
		{
			rule: "a router that is asked before", name: "GET /asked", route: "/asked",
			cfg:  httpmw.Config{Route: func(*http.Request) string { return "/asked" }},
			wrap: func(m *httpmw.Middleware) http.Handler { return m.Wrap(http.HandlerFunc(okHandler)) },
		},
		{
			rule: "a router that knows only afterwards", name: "GET /afterwards", route: "/afterwards",
			cfg: httpmw.Config{Route: func(r *http.Request) string { return r.Header.Get("X-Route") }},
			wrap: func(m *httpmw.Middleware) http.Handler {
				return m.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { r.Header.Set("X-Route", "/afterwards") }))
			},
		},
		{
			rule: "a route without a slash", name: "GET health", route: "health",
			cfg:  httpmw.Config{Route: func(*http.Request) string { return "health" }},
			wrap: func(m *httpmw.Middleware) http.Handler { return m.Wrap(http.HandlerFunc(okHandler)) },
		},
		{
			rule: "a name of one's own, when the route is known", name: "my /users/{id}", route: "/users/{id}",
			cfg:  httpmw.Config{SpanName: func(_ *http.Request, route string) string { return "my " + route }},
			wrap: func(m *httpmw.Middleware) http.Handler { return m.Wrap(routed()) },
		},
		{
			rule: "a name of one's own, when the route is not known", name: "my ", route: "",
			cfg:  httpmw.Config{SpanName: func(_ *http.Request, route string) string { return "my " + route }},
			wrap: func(m *httpmw.Middleware) http.Handler { return m.Wrap(http.HandlerFunc(okHandler)) },
		},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			eachProvider(t, func(t *testing.T, tp trace.TracerProvider, spans ends) {
				tt.cfg.TracerProvider = tp
				tt.wrap(httpmw.New(tt.cfg)).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/users/7", nil))
				got := spans.one(t)
				if got.Name() != tt.name {
					t.Errorf("name %q, want %q", got.Name(), tt.name)
				}
				checkAttrs(t, attrs(got), map[string]string{"http.route": tt.route})
			})
		})
	}
}

// TestRouteAfterTimeout has a handler say its route while the span that it is for ends.
func TestRouteAfterTimeout(t *testing.T) {
	tp, spans := ours(t, nil)
	done := make(chan struct{})
	h := httpmw.New(httpmw.Config{TracerProvider: tp}).Wrap(http.TimeoutHandler(httpmw.Routes(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		defer close(done)
		<-r.Context().Done()
		httpmw.SetRoute(r.Context(), "/late")
	})), time.Nanosecond, ""))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	<-done
	spans.one(t)
}

func TestSetRouteWithoutSpan(t *testing.T) {
	httpmw.SetRoute(context.Background(), "/x")
	httpmw.Wrap(httpmw.Routes(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		httpmw.SetRoute(r.Context(), "/x")
	}))).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
}

// TestAttributes records path values, through any number of copies of the request.
func TestAttributes(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /users/{id}", okHandler)
	for _, tt := range []struct {
		rule string
		h    http.Handler
		want string
	}{
		{"the request that the handler got", mux, "7"},
		{"the request that the mux got", copying(copying(httpmw.Routes(mux))), "7"},
		{"not if nobody saw that one", copying(mux), ""},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			eachProvider(t, func(t *testing.T, tp trace.TracerProvider, spans ends) {
				httpmw.New(httpmw.Config{TracerProvider: tp, Attributes: func(r *http.Request) []attribute.KeyValue {
					return []attribute.KeyValue{attribute.String("user.id", r.PathValue("id"))}
				}}).Wrap(tt.h).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/users/7", nil))
				checkAttrs(t, attrs(spans.one(t)), map[string]string{"user.id": tt.want})
			})
		})
	}
}
