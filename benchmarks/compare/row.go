package main

import (
	"fmt"

	"github.com/meshtrace/meshtrace/benchmarks/internal/contender"
	"github.com/meshtrace/meshtrace/benchmarks/internal/measure"
	"github.com/meshtrace/meshtrace/benchmarks/internal/receiver"
	"github.com/meshtrace/meshtrace/benchmarks/internal/service"
	"github.com/meshtrace/meshtrace/benchmarks/internal/workload"
)

// row is a row of the table, to be measured.
type row struct {
	name, title string
	contenders  []contender.Name // the first is the baseline

	// run measures once.
	run func(name contender.Name, endpoint string) (measure.Result, error)
}

// serviceRow is the name of the row that is a whole service.
const serviceRow = "service"

// rows returns the rows that cfg chooses.
func rows(cfg config) []row {
	var all []row
	for _, w := range workload.All() {
		all = append(all, row{w.Name, w.Title, w.Contenders, func(name contender.Name, endpoint string) (measure.Result, error) {
			return measure.Apart(measure.Settings{Workload: w.Name, Contender: name, Endpoint: endpoint, Time: cfg.time})
		}})
	}
	all = append(all, row{
		name:       serviceRow,
		title:      "whole service under load, a request and the call it makes",
		contenders: []contender.Name{contender.None, contender.Meshtrace, contender.OTel, contender.OTelDefaults},
		run: func(name contender.Name, endpoint string) (measure.Result, error) {
			return service.Measure(name, endpoint, cfg.requests)
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
}

// round is one measurement of each contender.
type round map[contender.Name]sample

// sample is one measurement of one contender.
type sample struct {
	cost      cost
	delivered receiver.Counts
	lost      int // spans that were recorded and did not arrive
}

// measure measures the contenders in turns, each round beginning with another.
func (r row) measure(rounds int, spans *receiver.Remote) (outcome, error) {
	o := outcome{row: r}
	for n := range rounds {
		now := make(round)
		for i := range r.contenders {
			name := r.contenders[(n+i)%len(r.contenders)]
			s, err := r.sample(name, spans)
			if err != nil {
				return o, fmt.Errorf("%s: %s: %w", r.name, name, err)
			}
			now[name] = s
		}
		o.rounds = append(o.rounds, now)
	}
	return o, nil
}

func (r row) sample(name contender.Name, spans *receiver.Remote) (sample, error) {
	before, err := spans.Counts()
	if err != nil {
		return sample{}, err
	}
	result, err := r.run(name, spans.Endpoint)
	if err != nil {
		return sample{}, err
	}
	after, err := spans.Counts()
	delivered := after.Since(before)
	return sample{
		cost:      costOf(result.Used, result.Operations),
		delivered: delivered,
		lost:      result.Spans - delivered.Spans,
	}, err
}
