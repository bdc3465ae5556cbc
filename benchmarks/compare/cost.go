package main

import (
	"slices"

	"github.com/meshtrace/meshtrace/benchmarks/internal/contender"
	"github.com/meshtrace/meshtrace/benchmarks/internal/usage"
)

// cost is what one operation costs.
type cost struct {
	cpu    float64 // microseconds
	allocs float64
	bytes  float64
}

// costOf returns the cost of one of n operations that together used u.
func costOf(u usage.Usage, n int) cost {
	return cost{
		cpu:    float64(u.CPU.Nanoseconds()) / 1e3 / float64(n),
		allocs: float64(u.Allocs) / float64(n),
		bytes:  float64(u.Bytes) / float64(n),
	}
}

func (c cost) minus(d cost) cost { return cost{c.cpu - d.cpu, c.allocs - d.allocs, c.bytes - d.bytes} }

// baseline returns the median cost of the operation without tracing.
func (o outcome) baseline() cost {
	return medianCost(o.rounds, func(r round) cost { return r[contender.None].cost })
}

// added returns the median of what a contender adds to the baseline of the same round.
func (o outcome) added(name contender.Name) cost {
	return medianCost(o.rounds, func(r round) cost { return r[name].cost.minus(r[contender.None].cost) })
}

// overhead returns the median of how much dearer than the baseline of the same round a contender
// makes the operation: 0.1 is 10 % more CPU.
func (o outcome) overhead(name contender.Name) float64 {
	return medianOf(o.rounds, func(r round) float64 {
		base := r[contender.None].cost.cpu
		return (r[name].cost.cpu - base) / base
	})
}

// spread returns the bounds of the middle half of the rounds' ratios of what two contenders add
// in CPU time.
func (o outcome) spread(of, to contender.Name) (low, high float64) {
	var ratios []float64
	for _, r := range o.rounds {
		base := r[contender.None].cost.cpu
		ratios = append(ratios, (r[of].cost.cpu-base)/(r[to].cost.cpu-base))
	}
	slices.Sort(ratios)
	n := len(ratios)
	return ratios[n/4], ratios[n-1-n/4]
}

func medianCost(rounds []round, get func(round) cost) cost {
	return cost{
		cpu:    medianOf(rounds, func(r round) float64 { return get(r).cpu }),
		allocs: medianOf(rounds, func(r round) float64 { return get(r).allocs }),
		bytes:  medianOf(rounds, func(r round) float64 { return get(r).bytes }),
	}
}

func medianOf(rounds []round, get func(round) float64) float64 {
	var all []float64
	for _, r := range rounds {
		all = append(all, get(r))
	}
	return median(all)
}

// median returns the middle of the values, of which there is at least one.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
