package httpmw_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/httpmw"
	"github.com/meshtrace/meshtrace/span"
)

// printing is a processor that prints spans as they end.
type printing struct{ sdktrace.SpanProcessor }

func (printing) OnStart(context.Context, sdktrace.ReadWriteSpan) {}
func (printing) OnEnd(s sdktrace.ReadOnlySpan) {
	fmt.Println(s.SpanKind(), "span:", s.Name())
}

// printed returns a provider whose spans are printed.
func printed() trace.TracerProvider {
	tp, err := span.NewProvider(span.Config{Processors: []sdktrace.SpanProcessor{printing{}}})
	if err != nil {
		panic(err)
	}
	return tp
}

// serveOnce has a handler serve one request without a network.
func serveOnce(h http.Handler, method, target string) *http.Response {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, target, nil))
	return w.Result()
}

// answer stands in for a network: every request is answered by OK.
var answer = roundTripper(func(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Body: http.NoBody, Request: r}, nil
})

// Every request of a handler becomes a span, once meshtrace.Start has set a provider. Until then
// the caller's context is passed on.
func ExampleWrap() {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /users/{id}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "user %s, in trace %s", r.PathValue("id"), trace.SpanContextFromContext(r.Context()).TraceID())
	})
	h := httpmw.Wrap(mux)

	r := httptest.NewRequest("GET", "/users/7", nil)
	r.Header.Set("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	fmt.Println(w.Body)
	// Output: user 7, in trace 0af7651916cd43dd8448eb211c80319c
}

func ExampleNew() {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /users/{id}", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	m := httpmw.New(httpmw.Config{
		TracerProvider: printed(),
		Skip:           func(r *http.Request) bool { return r.URL.Path == "/healthz" },
	})
	h := m.Wrap(mux)
	serveOnce(h, "GET", "/users/7")
	serveOnce(h, "GET", "/healthz")
	// Output: server span: GET /users/{id}
}

func ExampleNewTransport() {
	client := &http.Client{Transport: httpmw.NewTransport(answer, httpmw.ClientConfig{TracerProvider: printed()})}
	resp, err := client.Get("http://users.example/users/7")
	if err != nil {
		fmt.Println(err)
		return
	}
	resp.Body.Close()
	fmt.Println(resp.Status, resp.StatusCode)
	// Output:
	// client span: GET
	//  200
}

func ExampleContextWithURLTemplate() {
	client := &http.Client{Transport: httpmw.NewTransport(answer, httpmw.ClientConfig{TracerProvider: printed()})}
	ctx := httpmw.ContextWithURLTemplate(context.Background(), "/users/{id}")
	r, _ := http.NewRequestWithContext(ctx, "GET", "http://users.example/users/7", nil)
	client.Do(r)
	// Output: client span: GET /users/{id}
}

func ExampleContextWithResends() {
	tp, err := span.NewProvider(span.Config{Processors: []sdktrace.SpanProcessor{resendCounts{}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	client := &http.Client{Transport: httpmw.NewTransport(answer, httpmw.ClientConfig{TracerProvider: tp})}
	ctx := httpmw.ContextWithResends(context.Background())
	for range 3 { // a loop that tries again
		r, _ := http.NewRequestWithContext(ctx, "GET", "http://users.example/", nil)
		client.Do(r)
	}
	// Output:
	// first try
	// again: 1
	// again: 2
}

type resendCounts struct{ printing }

func (resendCounts) OnEnd(s sdktrace.ReadOnlySpan) {
	for _, kv := range s.Attributes() {
		if kv.Key == "http.request.resend_count" {
			fmt.Println("again:", kv.Value.AsInt64())
			return
		}
	}
	fmt.Println("first try")
}

// A router that does not set http.Request.Pattern says the route by itself.
func ExampleSetRoute() {
	router := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		httpmw.SetRoute(r.Context(), "/users/:id")
	})
	serveOnce(httpmw.New(httpmw.Config{TracerProvider: printed()}).Wrap(router), "GET", "/users/7")
	// Output: server span: GET /users/:id
}

// A handler in between hands on a copy of the request, so the pattern would be lost.
func ExampleRoutes() {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /users/{id}", func(http.ResponseWriter, *http.Request) {})
	between := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r.WithContext(r.Context()))
		})
	}
	m := httpmw.New(httpmw.Config{TracerProvider: printed()})
	serveOnce(m.Wrap(between(mux)), "GET", "/users/7")
	serveOnce(m.Wrap(between(httpmw.Routes(mux))), "GET", "/users/7")
	// Output:
	// server span: GET
	// server span: GET /users/{id}
}

func ExampleNewHeaders() {
	h, err := httpmw.NewHeaders("X-Request-Id", "X-Tenant")
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = httpmw.Config{Capture: httpmw.Capture{Request: h}}

	_, err = httpmw.NewHeaders("Authorization", "X Tenant")
	fmt.Println(err)
	// Output:
	// httpmw: header "Authorization": it holds credentials
	// httpmw: header "X Tenant": want letters, digits and dashes
}

func ExampleNewHosts() {
	mesh, err := httpmw.NewHosts(".svc.cluster.local", "10.0.0.0/8")
	if err != nil {
		fmt.Println(err)
		return
	}
	show := roundTripper(func(r *http.Request) (*http.Response, error) {
		fmt.Println(r.URL.Host, "gets a traceparent:", r.Header.Get("traceparent") != "")
		return answer(r)
	})
	client := &http.Client{Transport: httpmw.NewTransport(show, httpmw.ClientConfig{
		TracerProvider: printed(),
		Egress:         httpmw.Egress{Mesh: mesh},
	})}
	client.Get("http://users.default.svc.cluster.local/")
	client.Get("http://api.example.com/")
	// Output:
	// users.default.svc.cluster.local gets a traceparent: true
	// client span: GET
	// api.example.com gets a traceparent: false
	// client span: GET
}

func ExampleDefaultsFromEnv() {
	environment := map[string]string{"OTEL_INSTRUMENTATION_HTTP_SERVER_CAPTURE_REQUEST_HEADERS": "x-tenant,cookie"}
	defaults, err := httpmw.DefaultsFromEnv(func(name string) string { return environment[name] })
	fmt.Println(err)
	httpmw.SetDefaults(defaults)
	// Output: OTEL_INSTRUMENTATION_HTTP_SERVER_CAPTURE_REQUEST_HEADERS: httpmw: header "cookie": it holds credentials
}

// One line, and what it does can be undone.
func ExampleInstrumentDefaults() {
	real := http.DefaultTransport
	http.DefaultTransport = answer // instead of a network
	defer func() { http.DefaultTransport = real }()

	undo := httpmw.InstrumentDefaults(httpmw.ClientConfig{TracerProvider: printed()})
	resp, err := http.Get("http://users.example/")
	undo()
	if err == nil {
		io.Copy(io.Discard, resp.Body)
	}
	http.Get("http://users.example/") // not traced any more
	// Output: client span: GET
}
