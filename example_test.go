package meshtrace_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/meshtrace/meshtrace"
	"github.com/meshtrace/meshtrace/httpmw"
)

// One request, and the call that it makes: two spans of one trace. The servers of the example stand in
// for a collector, for the service, and for the one that it calls.
func ExampleStart() {
	collector := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer collector.Close()
	profiles := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Println("flags:", r.Header.Get("traceparent")[53:]) // sampled, and a random trace ID
	}))
	defer profiles.Close()

	tracing, err := meshtrace.Start(context.Background(), meshtrace.Config{
		Service:  "user-service",
		Endpoint: collector.URL,
	})
	if err != nil {
		log.Fatal(err)
	}

	client := &http.Client{Transport: httpmw.NewTransport(nil, httpmw.ClientConfig{})}
	users := httptest.NewServer(httpmw.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		req, _ := http.NewRequestWithContext(r.Context(), http.MethodGet, profiles.URL, nil)
		if resp, err := client.Do(req); err == nil {
			resp.Body.Close()
		}
	})))
	resp, err := http.Get(users.URL)
	if err != nil {
		log.Fatal(err)
	}
	resp.Body.Close()
	users.Close() // the requests under way end first

	err = tracing.Shutdown(context.Background())
	fmt.Println("exported:", tracing.Stats().Exported, "lost:", err)
	// Output:
	// flags: 03
	// exported: 2 lost: <nil>
}
