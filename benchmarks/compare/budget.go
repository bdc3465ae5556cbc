package main

import (
	"fmt"
	"strings"

	"github.com/meshtrace/meshtrace/benchmarks/internal/contender"
)

// budget is what meshtrace may cost. Zero is no limit.
type budget struct {
	allocs   float64 // that it may add, at the most
	bytes    float64 // likewise
	times    float64 // how many times more CPU the peer adds, at the least
	overhead float64 // CPU that it may add, as a fraction of the baseline
}

// none is a budget of no allocation at all. Half of one is a rounding error of a GC that ran.
const none = 0.005

// budgets are the limits of the rows that have any.
var budgets = map[string]budget{
	"server/sampled=yes":                   {allocs: 4, bytes: 1024, times: 12},
	"server/sampled=no":                    {allocs: 3, times: 12},
	"server/provider=none":                 {allocs: 3, times: 12},
	"client/sampled=yes":                   {allocs: 6, times: 8},
	"grpc/server/sampled=yes":              {allocs: 10, times: 6},
	"grpc/client/sampled=yes":              {allocs: 10, times: 6},
	"extract/format=w3c":                   {allocs: none, times: 6},
	"extract/format=composite/header=w3c":  {allocs: none, times: 6},
	"extract/format=composite/header=b3":   {allocs: none, times: 6},
	"extract/format=composite/header=none": {allocs: none, times: 6},
	"inject/format=w3c":                    {allocs: 2, times: 6},
	"inject/format=w3c+b3":                 {allocs: 2, times: 6},
	"inject/format=composite":              {allocs: 2, times: 6},
	"export/batch=512":                     {allocs: 0.1, times: 12},
	serviceRow:                             {overhead: 0.06},
}

// slack is what the count of allocations may be off by: some are the runtime's own.
const slack = 0.01

// exceeded returns what of the budget the outcome does not keep to, or "".
func (b budget) exceeded(o outcome) string {
	ours, theirs := o.added(contender.Meshtrace), o.added(contender.OTel)
	var over []string
	add := func(exceeds bool, format string, value float64) {
		if exceeds {
			over = append(over, fmt.Sprintf(format, value))
		}
	}
	add(b.allocs > 0 && ours.allocs > b.allocs+slack, "%.2f allocs", ours.allocs)
	add(b.bytes > 0 && ours.bytes > b.bytes, "%.0f B", ours.bytes)
	add(b.times > 0 && ours.cpu*b.times > theirs.cpu, "%.1fx", theirs.cpu/ours.cpu)
	add(b.overhead > 0 && o.overhead(contender.Meshtrace) > b.overhead, "+%.1f %%", 100*o.overhead(contender.Meshtrace))
	return strings.Join(over, ", ")
}

// String says the budget in the words of the table.
func (b budget) String() string {
	var limits []string
	switch {
	case b.allocs == none:
		limits = append(limits, "0 allocs")
	case b.allocs > 0:
		limits = append(limits, fmt.Sprintf("<= %g allocs", b.allocs))
	}
	if b.bytes > 0 {
		limits = append(limits, fmt.Sprintf("<= %g B", b.bytes))
	}
	if b.times > 0 {
		limits = append(limits, fmt.Sprintf(">= %gx", b.times))
	}
	if b.overhead > 0 {
		limits = append(limits, fmt.Sprintf("<= +%g %%", 100*b.overhead))
	}
	return strings.Join(limits, ", ")
}
