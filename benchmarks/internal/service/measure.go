package service

import (
	"errors"
	"strconv"

	"github.com/meshtrace/meshtrace/benchmarks/internal/contender"
	"github.com/meshtrace/meshtrace/benchmarks/internal/measure"
	"github.com/meshtrace/meshtrace/benchmarks/internal/process"
)

// Settings say what is measured.
type Settings struct {
	Contender contender.Name
	Endpoint  string // of the receiver
	Requests  int    // of a sample
	Profile   string // file for a CPU profile of all samples but the first; "" for none
}

// spansPerRequest: one for the request, one for the call.
const spansPerRequest = 2

// Subject is a service with what it needs around it, each in a process of its own.
type Subject struct {
	settings                Settings
	profiles, service, load *process.Child
}

// Start starts a subject.
func Start(s Settings) (subject *Subject, err error) {
	subject = &Subject{settings: s}
	defer func() {
		if err != nil {
			err = errors.Join(err, subject.Close())
		}
	}()
	var profiles, url string
	if subject.profiles, err = process.Start(profilesRole, nil); err != nil {
		return nil, err
	}
	if err := subject.profiles.Ask("url", &profiles); err != nil {
		return nil, err
	}
	if subject.service, err = process.Start(serviceRole, traced{s.Contender, s.Endpoint, profiles, s.Profile}); err != nil {
		return nil, err
	}
	if err := subject.service.Ask("url", &url); err != nil {
		return nil, err
	}
	subject.load, err = process.Start(loadRole, target{url})
	return subject, err
}

// Sample measures once. The first sample has the costs of a start in it.
func (s *Subject) Sample() (sample measure.Sample, err error) {
	sample.Operations = s.settings.Requests
	if s.settings.Contender != contender.None {
		sample.Spans = spansPerRequest * s.settings.Requests
	}
	err = errors.Join(
		s.service.Ask("begin", nil),
		s.load.Ask(strconv.Itoa(s.settings.Requests), nil),
		s.service.Ask("end", &sample.Used),
	)
	return sample, err
}

// Close ends the processes.
func (s *Subject) Close() error {
	var errs []error
	if s.load != nil {
		errs = append(errs, s.load.Close())
	}
	if s.service != nil {
		errs = append(errs, s.service.Ask("close", nil), s.service.Close())
	}
	if s.profiles != nil {
		errs = append(errs, s.profiles.Close())
	}
	return errors.Join(errs...)
}
