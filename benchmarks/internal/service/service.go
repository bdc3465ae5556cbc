// Package service measures a whole service under load: a real HTTP server that makes one call to
// another service for each request, each in a process of its own.
//
//	load --(keep-alive connections)--> service ----> profiles
//	                                      |
//	                                      +--spans-> receiver
//
// What the process in the middle uses is the result.
package service

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"runtime"

	"github.com/meshtrace/meshtrace/benchmarks/internal/contender"
	"github.com/meshtrace/meshtrace/benchmarks/internal/process"
	"github.com/meshtrace/meshtrace/benchmarks/internal/usage"
)

// The roles that a program has to offer that measures a service.
var Roles = map[string]process.Role{
	serviceRole:  process.Settings(serve),
	profilesRole: func([]byte) (process.Answer, error) { return serveProfiles() },
	loadRole:     process.Settings(newLoad),
}

const (
	serviceRole  = "service"
	profilesRole = "profiles"
	loadRole     = "load"
)

// settings say how the service is traced, and whom it calls.
type settings struct {
	Contender contender.Name
	Endpoint  string // of the receiver
	Profiles  string // URL of the service that it calls
}

// serve is the service. It answers "url" with its address, "begin" when it is ready to be
// measured, and "end" with what it used since.
func serve(s settings) (process.Answer, error) {
	c, err := contender.New(s.Contender, s.Endpoint)
	if err != nil {
		return nil, err
	}
	h := &users{profiles: s.Profiles, client: &http.Client{Transport: c.Transport(&http.Transport{MaxIdleConnsPerHost: connections})}}
	mux := http.NewServeMux()
	mux.Handle("GET /users/{id}", h)
	url, err := listen(c.Wrap(mux))
	if err != nil {
		return nil, err
	}
	var before usage.Usage
	return func(question string) (any, error) {
		switch question {
		case "url":
			return url, nil
		case "begin":
			err := c.Flush(context.Background())
			runtime.GC() // the warm-up has paid for its own garbage
			before = usage.Now()
			return nil, err
		case "end":
			err := c.Flush(context.Background()) // delivering the last spans is part of the work
			return usage.Since(before), err
		}
		return process.Unknown(question)
	}, nil
}

// users is the service's handler: it asks another service, and puts its answer into its own.
type users struct {
	profiles string
	client   *http.Client
}

// user is what the service answers.
type user struct {
	ID      string   `json:"id"`
	Active  bool     `json:"active"`
	Roles   []string `json:"roles"`
	Profile profile  `json:"profile"`
}

func (h *users) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	p, err := h.profile(r.Context(), id)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(user{ID: id, Active: true, Roles: []string{"reader", "writer"}, Profile: p}) // the load looks at what arrives
}

func (h *users) profile(ctx context.Context, id string) (p profile, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, h.profiles+"/profiles/"+id, nil)
	if err != nil {
		return p, err
	}
	resp, err := h.client.Do(r)
	if err != nil {
		return p, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return p, fmt.Errorf("profiles: %s", resp.Status)
	}
	err = json.NewDecoder(resp.Body).Decode(&p)
	return p, err
}
