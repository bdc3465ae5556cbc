package main

import (
	"errors"
	"fmt"

	"github.com/meshtrace/meshtrace/benchmarks/internal/contender"
	"github.com/meshtrace/meshtrace/benchmarks/internal/measure"
	"github.com/meshtrace/meshtrace/benchmarks/internal/profile"
	"github.com/meshtrace/meshtrace/benchmarks/internal/receiver"
	"github.com/meshtrace/meshtrace/benchmarks/internal/service"
	"github.com/meshtrace/meshtrace/benchmarks/internal/workload"
)

// row is a row of the table, to be measured.
type row struct {
	name, title string
	contenders  []contender.Name // the first is the baseline

	// start starts what is measured.
	start func(name contender.Name, endpoint string) (subject, error)
}

// subject is something that can be measured again and again.
type subject interface {
	// Sample measures once. The first sample has the costs of a start in it.
	Sample() (measure.Sample, error)
	Close() error
}

// serviceRow is the name of the row that is a whole service.
const serviceRow = "service"

// rows returns the rows that cfg chooses.
func rows(cfg config) []row {
	var all []row
	for _, w := range workload.All() {
		all = append(all, row{w.Name, w.Title, w.Contenders, func(name contender.Name, endpoint string) (subject, error) {
			return measure.Start(measure.Settings{
				Workload:  w.Name,
				Contender: name,
				Endpoint:  endpoint,
				Time:      cfg.time,
				Profile:   profile.File(cfg.profiles, w.Name, string(name)),
			})
		}})
	}
	all = append(all, row{
		name:       serviceRow,
		title:      "whole service under load, a request and the call it makes",
		contenders: []contender.Name{contender.None, contender.Meshtrace, contender.OTel, contender.OTelDefaults},
		start: func(name contender.Name, endpoint string) (subject, error) {
			return service.Start(service.Settings{
				Contender: name,
				Endpoint:  endpoint,
				Requests:  cfg.requests,
				Profile:   profile.File(cfg.profiles, serviceRow, string(name)),
			})
		},
	})
	var chosen []row
	for _, r := range all {
		if cfg.rows == nil || cfg.rows.MatchString(r.name) {
			chosen = append(chosen, r)
		}
	}
	return chosen
}

// outcome is what was measured for a row.
type outcome struct {
	row
	rounds []round
	lost   map[contender.Name]int // spans that were recorded and did not arrive
}

// round is one sample of each contender.
type round map[contender.Name]sample

// sample is what one operation costs, and what came of all their spans.
type sample struct {
	cost
	delivered receiver.Counts
}

// measure measures the contenders in turns, each round beginning with another. A round lasts
// less than a second: what else the machine does then is much the same for all of them.
func (r row) measure(rounds int, spans *receiver.Remote) (o outcome, err error) {
	o = outcome{row: r, lost: make(map[contender.Name]int)}
	subjects := make(map[contender.Name]subject)
	defer func() {
		for _, s := range subjects {
			err = errors.Join(err, s.Close())
		}
	}()
	for _, name := range r.contenders {
		if subjects[name], err = r.start(name, spans.Endpoint); err != nil {
			return o, err
		}
		if _, err := o.sample(name, subjects[name], spans); err != nil { // warm-up
			return o, err
		}
	}
	for n := range rounds {
		now := make(round)
		for i := range r.contenders {
			name := r.contenders[(n+i)%len(r.contenders)]
			if now[name], err = o.sample(name, subjects[name], spans); err != nil {
				return o, err
			}
		}
		o.rounds = append(o.rounds, now)
	}
	return o, nil
}

// sample measures a contender once, and counts what it lost.
func (o *outcome) sample(name contender.Name, s subject, spans *receiver.Remote) (sample, error) {
	before, err := spans.Counts()
	if err != nil {
		return sample{}, err
	}
	used, err := s.Sample()
	if err != nil {
		return sample{}, fmt.Errorf("%s: %s: %w", o.name, name, err)
	}
	after, err := spans.Counts()
	delivered := after.Since(before)
	o.lost[name] += used.Spans - delivered.Spans
	return sample{costOf(used.Used, used.Operations), delivered}, err
}
