package service

import (
	"errors"
	"strconv"

	"github.com/meshtrace/meshtrace/benchmarks/internal/contender"
	"github.com/meshtrace/meshtrace/benchmarks/internal/measure"
	"github.com/meshtrace/meshtrace/benchmarks/internal/process"
)

// spansPerRequest: one for the request, one for the call.
const spansPerRequest = 2

// warmUp is how many requests come before those that count, one for each so many.
const warmUp = 4

// Measure returns what a service used that serves a number of requests, traced by the contender.
func Measure(name contender.Name, endpoint string, requests int) (r measure.Result, err error) {
	var all children
	defer func() { err = errors.Join(err, all.close()) }()
	profiles, _, err := all.start(profilesRole, nil)
	if err != nil {
		return r, err
	}
	url, service, err := all.start(serviceRole, settings{name, endpoint, profiles})
	if err != nil {
		return r, err
	}
	load, err := all.add(loadRole, target{url})
	if err != nil {
		return r, err
	}
	err = errors.Join(
		load.Ask(strconv.Itoa(requests/warmUp), nil),
		service.Ask("begin", nil),
		load.Ask(strconv.Itoa(requests), nil),
		service.Ask("end", &r.Used),
	)
	r.Operations = requests
	if name != contender.None {
		r.Spans = spansPerRequest * (requests + requests/warmUp)
	}
	return r, err
}

// children are the processes of a measurement.
type children []*process.Child

// add starts a child.
func (c *children) add(role string, settings any) (*process.Child, error) {
	child, err := process.Start(role, settings)
	if err == nil {
		*c = append(*c, child)
	}
	return child, err
}

// start starts a child that is a server.
func (c *children) start(role string, settings any) (url string, child *process.Child, err error) {
	if child, err = c.add(role, settings); err == nil {
		err = child.Ask("url", &url)
	}
	return url, child, err
}

// close ends all children, the last first.
func (c *children) close() error {
	var errs []error
	for i := len(*c) - 1; i >= 0; i-- {
		errs = append(errs, (*c)[i].Close())
	}
	return errors.Join(errs...)
}
