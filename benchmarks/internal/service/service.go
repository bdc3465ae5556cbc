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
	"errors"
	"fmt"
	"net/http"

	"github.com/meshtrace/meshtrace/benchmarks/internal/contender"
	"github.com/meshtrace/meshtrace/benchmarks/internal/process"
	"github.com/meshtrace/meshtrace/benchmarks/internal/profile"
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

// traced says how the service is traced, and whom it calls.
type traced struct {
	Contender contender.Name
	Endpoint  string // of the receiver
	Profiles  string // URL of the service that it calls
	Profile   string // file for a CPU profile; "" for none
}

// serve is the service. It answers "url" with its address, "begin" when it is ready to be
// measured, "end" with what it used since, and "close" when it has shut the contender down.
func serve(how traced) (process.Answer, error) {
	c, err := contender.New(how.Contender, how.Endpoint)
	if err != nil {
		return nil, err
	}
	h := &users{how.Profiles, &http.Client{Transport: c.Transport(&http.Transport{MaxIdleConnsPerHost: connections})}}
	mux := http.NewServeMux()
	mux.Handle("GET /users/{id}", h)
	url, err := listen(c.Wrap(mux))
	if err != nil {
		return nil, err
	}
	m := &meter{flush: c.Flush, profile: profile.Profile{File: how.Profile}}
	return func(question string) (any, error) {
		switch question {
		case "url":
			return url, nil
		case "begin":
			return nil, m.begin()
		case "end":
			return m.end()
		case "close":
			return nil, errors.Join(m.profile.Stop(), c.Shutdown(context.Background()))
		}
		return process.Unknown(question)
	}, nil
}

// meter measures its process from begin to end.
type meter struct {
	flush   func(context.Context) error
	profile profile.Profile
	before  usage.Usage
	samples int
}

func (m *meter) begin() (err error) {
	if m.samples++; m.samples > 1 {
		err = m.profile.Start()
	}
	m.before = usage.Now()
	return err
}

// end delivers the last spans, which is part of the work, and returns what was used.
func (m *meter) end() (usage.Usage, error) {
	err := m.flush(context.Background())
	return usage.Since(m.before), err
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
	Profile person   `json:"profile"`
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

func (h *users) profile(ctx context.Context, id string) (p person, err error) {
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
