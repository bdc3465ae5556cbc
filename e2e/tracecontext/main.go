// Command tracecontext is a service for the W3C's validation harness of Trace Context, which looks
// from outside, over HTTP, at what a service makes of the trace headers that it gets. The harness is
// the directory test of https://github.com/w3c/trace-context; it needs Python and aiohttp.
//
//	go run ./tracecontext                                                  # here, in e2e
//	SPEC_LEVEL=2 STRICT_LEVEL=2 python test.py http://127.0.0.1:5000/test  # there, in test
//
// The harness posts a list of calls, each a URL and what to post to it. The service makes them, one
// after the other, by httpmw's transport and inside httpmw's middleware, both as they are unless told
// otherwise; and the harness looks at the headers that come back to it. Spans start and end as they
// do anywhere, but are sent nowhere.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"

	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/httpmw"
	"github.com/meshtrace/meshtrace/span"
)

func main() {
	address := flag.String("listen", "127.0.0.1:5000", "`address` to listen on, of the loopback interface")
	flag.Parse()
	if err := run(*address); err != nil {
		fmt.Fprintln(os.Stderr, "tracecontext:", err)
		os.Exit(1)
	}
}

func run(address string) error {
	provider, err := span.NewProvider(span.Config{})
	if err != nil {
		return err
	}
	l, err := listen(address)
	if err != nil {
		return err
	}
	fmt.Printf("listening on http://%s/test\n", l.Addr())
	return http.Serve(l, newService(provider))
}

// listen listens on the loopback interface only: whoever reaches this service makes it post what
// they like to where they like.
func listen(address string) (net.Listener, error) {
	addr, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("-listen %q: %w", address, err)
	}
	if !addr.IP.IsLoopback() {
		return nil, fmt.Errorf("-listen %q: must be an address of the loopback interface", address)
	}
	return net.ListenTCP("tcp", addr)
}

// newService returns the service, which makes the calls that are posted to /test.
func newService(provider trace.TracerProvider) http.Handler {
	client := &http.Client{Transport: httpmw.NewTransport(nil, httpmw.ClientConfig{TracerProvider: provider})}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /test", func(w http.ResponseWriter, r *http.Request) {
		var calls []call
		if err := json.NewDecoder(r.Body).Decode(&calls); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		for _, c := range calls {
			if err := c.make(r.Context(), client); err != nil {
				http.Error(w, err.Error(), http.StatusBadGateway)
				return
			}
		}
	})
	return httpmw.New(httpmw.Config{TracerProvider: provider}).Wrap(mux)
}

// A call is what the harness wants called, and how.
type call struct {
	URL       string          `json:"url"`
	Arguments json.RawMessage `json:"arguments"` // posted as they are: they are calls for whoever is there
}

func (c call) make(ctx context.Context, client *http.Client) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL, bytes.NewReader(c.Arguments))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}
