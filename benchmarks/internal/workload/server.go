package workload

import (
	"fmt"
	"net/http"

	"github.com/meshtrace/meshtrace/benchmarks/internal/contender"
)

// servers are the requests that a service serves: the middleware around a mux.
func servers() []Workload {
	contenders := []contender.Name{contender.None, contender.Meshtrace, contender.OTel, contender.OTelDefaults}
	return []Workload{
		{
			Name:       "server/sampled=yes",
			Title:      "HTTP server: sampled, recorded, encoded, exported",
			Contenders: contenders,
			Spans:      1,
			setup: func(name contender.Name, endpoint string) (*Run, error) {
				return setupServer(name, endpoint, "01")
			},
		},
		{
			Name:       "server/sampled=no",
			Title:      "HTTP server: the caller did not sample",
			Contenders: contenders,
			setup: func(name contender.Name, endpoint string) (*Run, error) {
				return setupServer(name, endpoint, "00")
			},
		},
		{
			Name:       "server/sampled=yes/metrics=on",
			Title:      "HTTP server: sampled, recorded, encoded, exported, and measured",
			Contenders: measured,
			Spans:      1,
			setup: func(name contender.Name, endpoint string) (*Run, error) {
				return setupMeasuredServer(name, endpoint, "01")
			},
		},
		{
			Name:       "server/sampled=no/metrics=on",
			Title:      "HTTP server: the caller did not sample, but it is measured",
			Contenders: measured,
			setup: func(name contender.Name, endpoint string) (*Run, error) {
				return setupMeasuredServer(name, endpoint, "00")
			},
		},
		{
			Name:       "server/provider=none",
			Title:      "HTTP server: no provider, the context is passed on",
			Contenders: contenders,
			setup: func(name contender.Name, _ string) (*Run, error) {
				return setupServer(name, "", "01")
			},
		},
	}
}

// measured are the contenders whose metrics can be collected.
var measured = []contender.Name{contender.None, contender.Meshtrace, contender.OTel}

func setupServer(name contender.Name, endpoint, flags string) (*Run, error) {
	c, err := contender.New(name, endpoint)
	if err != nil {
		return nil, err
	}
	return newServer(c, flags)
}

func setupMeasuredServer(name contender.Name, endpoint, flags string) (*Run, error) {
	c, _, err := contender.NewMeasured(name, endpoint)
	if err != nil {
		return nil, err
	}
	return newServer(c, flags)
}

func newServer(c *contender.Contender, flags string) (*Run, error) {
	r, err := parseRequest(flags)
	if err != nil {
		return nil, err
	}
	return newRun(c, serve(c.Wrap(mux(answer)), r)), nil
}

// serve returns what has h serve the request n times. Each time h gets a new copy, as it would
// from net/http; that is the baseline's only allocation but for the response's header.
func serve(h http.Handler, template *http.Request) func(n int) error {
	w := &response{header: make(http.Header)}
	return func(n int) error {
		for range n {
			w.reset()
			h.ServeHTTP(w, template.WithContext(template.Context()))
			if w.status != http.StatusOK || w.bytes != len(profile) {
				return fmt.Errorf("response of status %d and %d bytes", w.status, w.bytes)
			}
		}
		return nil
	}
}

// mux returns a mux that knows some routes, of which h serves one.
func mux(h http.HandlerFunc) *http.ServeMux {
	m := http.NewServeMux()
	m.HandleFunc("GET /users/{id}", h)
	m.HandleFunc("POST /users", http.NotFound)
	m.HandleFunc("GET /healthz", http.NotFound)
	return m
}

var profile = []byte(`{"id":"42","name":"Ada Lovelace","email":"ada@example.com","joined":"1843-07-10"}`)

// answer is the least that a service does.
func answer(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(profile) // serve looks at what arrived
}
