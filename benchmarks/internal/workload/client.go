package workload

import (
	"bytes"
	"context"
	"io"
	"net/http"

	"github.com/meshtrace/meshtrace/benchmarks/internal/contender"
)

// clients are the requests that a service sends: the transport around one that answers at once.
func clients() []Workload {
	return []Workload{{
		Name:       "client/sampled=yes",
		Title:      "HTTP client: sampled, recorded, encoded, exported",
		Contenders: []contender.Name{contender.None, contender.Meshtrace, contender.OTel, contender.OTelDefaults},
		Spans:      1,
		setup:      setupClient,
	}, {
		Name:       "client/sampled=yes/metrics=on",
		Title:      "HTTP client: sampled, recorded, encoded, exported, and measured",
		Contenders: measured,
		Spans:      1,
		setup:      setupMeasuredClient,
	}}
}

func setupClient(name contender.Name, endpoint string) (*Run, error) {
	c, err := contender.New(name, endpoint)
	if err != nil {
		return nil, err
	}
	return newClient(name, c)
}

func setupMeasuredClient(name contender.Name, endpoint string) (*Run, error) {
	c, _, err := contender.NewMeasured(name, endpoint)
	if err != nil {
		return nil, err
	}
	return newClient(name, c)
}

func newClient(name contender.Name, c *contender.Contender) (*Run, error) {
	ctx, err := handlersContext(c, "01")
	if err != nil {
		return nil, err
	}
	run := newRun(c, call(ctx, c.Transport(canned{})))
	if name != contender.None {
		run.spans = 1 // the parent's
	}
	return run, nil
}

// handlersContext returns the context that a handler gets from the contender's middleware. Its
// span is the parent of the client's. flags is 01 or 00, for sampled or not.
func handlersContext(c *contender.Contender, flags string) (ctx context.Context, err error) {
	r, err := parseRequest(flags)
	if err != nil {
		return nil, err
	}
	h := mux(func(w http.ResponseWriter, r *http.Request) {
		ctx = r.Context()
		answer(w, r)
	})
	err = serve(c.Wrap(h), r)(1)
	return ctx, err
}

// call returns what sends a request n times and reads the responses to their end.
func call(ctx context.Context, transport http.RoundTripper) func(n int) error {
	const url = "http://profile-service.default.svc.cluster.local:8080/profiles/42?fields=name"
	return func(n int) error {
		for range n {
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
			if err != nil {
				return err
			}
			r.Header.Set("Accept", "application/json")
			resp, err := transport.RoundTrip(r)
			if err != nil {
				return err
			}
			if _, err := io.Copy(io.Discard, resp.Body); err != nil {
				return err
			}
			if err := resp.Body.Close(); err != nil {
				return err
			}
		}
		return nil
	}
}

// canned is a transport that has the response ready.
type canned struct{}

var cannedHeader = http.Header{"Content-Type": {"application/json"}}

func (canned) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		Status:        "200 OK",
		StatusCode:    http.StatusOK,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        cannedHeader,
		Body:          io.NopCloser(struct{ io.Reader }{bytes.NewReader(profile)}), // no WriterTo: a connection's has none
		ContentLength: int64(len(profile)),
		Request:       r,
	}, nil
}
