package main

// The three services, as their authors would write them.

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace"
	"github.com/meshtrace/meshtrace/httpmw"
)

type user struct {
	Name    string
	Profile profile
}

type profile struct{ Motto string }

// startTracing is what the main function of each service begins with. NoGlobals is for this
// program alone: three services share its process, so each must be given its own tracing.
func startTracing(ctx context.Context, service string, s settings) (*meshtrace.Tracing, error) {
	return meshtrace.Start(ctx, meshtrace.Config{
		Service:    service,
		Endpoint:   s.endpoint,
		Sampler:    s.sampler,
		Propagator: s.propagator,
		NoGlobals:  true,
	})
}

// serve makes every request to a service a span: httpmw.Wrap(next), where there is one service.
func serve(tracing *meshtrace.Tracing, next http.Handler) http.Handler {
	return httpmw.New(httpmw.Config{TracerProvider: tracing.TracerProvider(), Propagator: tracing.Propagator()}).Wrap(next)
}

// newClient makes every call of a service a span below the request for which it is made:
// httpmw.NewTransport(network, httpmw.ClientConfig{}), where there is one service.
func newClient(tracing *meshtrace.Tracing, network http.RoundTripper) *http.Client {
	cfg := httpmw.ClientConfig{TracerProvider: tracing.TracerProvider(), Propagator: tracing.Propagator()}
	return &http.Client{Transport: httpmw.NewTransport(network, cfg)}
}

// frontend shows a user's page.
func frontend(tracing *meshtrace.Tracing, network http.RoundTripper) http.Handler {
	client := newClient(tracing, network)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /profile/{id}", func(w http.ResponseWriter, r *http.Request) {
		if sc := trace.SpanContextFromContext(r.Context()); sc.IsSampled() {
			w.Header().Set("Trace-Id", sc.TraceID().String()) // for whoever asks what happened
		}
		var u user
		if err := fetch(r.Context(), client, "http://user-service/users/"+r.PathValue("id"), &u); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		fmt.Fprintf(w, "%s: %s\n", u.Name, u.Profile.Motto)
	})
	return serve(tracing, mux)
}

// userService knows the users, and asks for what they say of themselves.
func userService(tracing *meshtrace.Tracing, network http.RoundTripper) http.Handler {
	client := newClient(tracing, network)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /users/{id}", func(w http.ResponseWriter, r *http.Request) {
		u := user{Name: "user " + r.PathValue("id")}
		if err := fetch(r.Context(), client, "http://profile-service/profiles/"+r.PathValue("id"), &u.Profile); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		_ = json.NewEncoder(w).Encode(u)
	})
	return serve(tracing, mux)
}

// profileService knows the profiles. It has lost every other one if fail is set.
func profileService(tracing *meshtrace.Tracing, fail bool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /profiles/{id}", func(w http.ResponseWriter, r *http.Request) {
		id, err := strconv.Atoi(r.PathValue("id"))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		if fail && id%2 == 1 {
			http.Error(w, "the profile is lost", http.StatusInternalServerError)
			return
		}
		_ = json.NewEncoder(w).Encode(profile{Motto: fmt.Sprintf("I am number %d", id)})
	})
	return serve(tracing, mux)
}

// fetch decodes the answer to a GET request into v.
func fetch(ctx context.Context, client *http.Client, url string, v any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: status %d", req.URL.Host, resp.StatusCode)
	}
	return json.NewDecoder(resp.Body).Decode(v)
}
