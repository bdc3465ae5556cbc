// Package measure runs a workload for one contender in a process of its own, and says what it
// used.
package measure

import (
	"errors"
	"time"

	"github.com/meshtrace/meshtrace/benchmarks/internal/contender"
	"github.com/meshtrace/meshtrace/benchmarks/internal/process"
	"github.com/meshtrace/meshtrace/benchmarks/internal/profile"
	"github.com/meshtrace/meshtrace/benchmarks/internal/usage"
	"github.com/meshtrace/meshtrace/benchmarks/internal/workload"
)

// Sample is what a number of operations used, the delivery of their spans included.
type Sample struct {
	Operations int
	Used       usage.Usage
	Spans      int // that were recorded, and must have arrived
}

// Settings say what is measured.
type Settings struct {
	Workload  string
	Contender contender.Name
	Endpoint  string        // of the receiver
	Time      time.Duration // that a sample takes
	Profile   string        // file for a CPU profile of all samples but the first; "" for none
}

// Subject is a workload with a contender, in a process of their own.
type Subject struct{ child *process.Child }

// Start starts a subject.
func Start(s Settings) (*Subject, error) {
	child, err := process.Start(RoleName, s)
	return &Subject{child}, err
}

// Sample measures once. The first sample has the costs of a start in it.
func (s *Subject) Sample() (sample Sample, err error) {
	err = s.child.Ask("sample", &sample)
	return sample, err
}

// Close shuts the contender down and ends the process.
func (s *Subject) Close() error {
	return errors.Join(s.child.Ask("end", nil), s.child.Close())
}

// RoleName is the name under which a program that calls [Start] has to offer [Role].
const RoleName = "measure"

// Role is the process of a [Subject].
var Role = process.Settings(func(s Settings) (process.Answer, error) {
	w, err := workload.Named(s.Workload)
	if err != nil {
		return nil, err
	}
	run, err := w.Setup(s.Contender, s.Endpoint)
	if err != nil {
		return nil, err
	}
	m := &sampler{run: run, time: s.Time, profile: profile.Profile{File: s.Profile}}
	return func(question string) (any, error) {
		switch question {
		case "sample":
			return m.sample()
		case "end":
			return nil, errors.Join(m.profile.Stop(), run.Close())
		}
		return process.Unknown(question)
	}, nil
})

// sampler takes samples of a run.
type sampler struct {
	run     *workload.Run
	time    time.Duration
	profile profile.Profile
	spans   int // of the samples so far
}

// sample repeats the workload for some time, at least once.
func (m *sampler) sample() (s Sample, err error) {
	before, start := usage.Now(), time.Now()
	for s.Operations == 0 || time.Since(start) < m.time {
		if err := m.run.Do(workload.Pace); err != nil {
			return s, err
		}
		s.Operations += workload.Pace
	}
	s.Used = usage.Since(before)
	s.Spans, m.spans = m.run.Spans()-m.spans, m.run.Spans()
	return s, m.profile.Start()
}
