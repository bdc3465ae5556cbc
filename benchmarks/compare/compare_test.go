package main

import (
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/meshtrace/meshtrace/benchmarks/internal/contender"
	"github.com/meshtrace/meshtrace/benchmarks/internal/process"
	"github.com/meshtrace/meshtrace/benchmarks/internal/receiver"
	"github.com/meshtrace/meshtrace/benchmarks/internal/usage"
	"github.com/meshtrace/meshtrace/benchmarks/internal/workload"
)

func TestMain(m *testing.M) {
	process.Main(roles())
	os.Exit(m.Run())
}

func TestCompareMeasuresEveryRowAndLosesNothing(t *testing.T) {
	var table strings.Builder
	cfg := config{rounds: 1, time: time.Nanosecond, requests: 40}
	if err := compare(&table, io.Discard, cfg); err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + table.String())
	for _, r := range rows(cfg) {
		if !strings.Contains(table.String(), "| "+r.title+" |") {
			t.Errorf("no row %q", r.title)
		}
	}
	if strings.Contains(table.String(), "spans lost") {
		t.Error("spans were lost")
	}
	for _, said := range []string{"go1.", "cores", "otelhttp v0.", "sdk v1.", "otlptracehttp v1.", "0 lost"} {
		if !strings.Contains(table.String(), said) {
			t.Errorf("the table does not say %q", said)
		}
	}
}

func TestRowsAreChosenByName(t *testing.T) {
	for pattern, want := range map[string]int{"": len(workload.All()) + 1, "^server": 5, "^service$": 1, "zipkin": 0} {
		if got := len(rows(config{rows: regexp.MustCompile(pattern)})); got != want {
			t.Errorf("%q: %d rows, want %d", pattern, got, want)
		}
	}
}

func TestEveryBudgetHasItsRow(t *testing.T) {
	known := make(map[string]bool)
	for _, r := range rows(config{}) {
		known[r.name] = true
	}
	for name := range budgets {
		if !known[name] {
			t.Errorf("there is no row %q", name)
		}
	}
}

func TestCostIsOfOneOperation(t *testing.T) {
	got := costOf(usage.Usage{CPU: 3 * time.Millisecond, Allocs: 5000, Bytes: 100_000}, 1000)
	if want := (cost{cpu: 3, allocs: 5, bytes: 100}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// example has three rounds, on a machine that slows down: the baseline takes 1, 2 and 3 us, and
// the contenders add 1 and 20 times as much.
func example(name string) outcome {
	o := outcome{row: row{name: name, title: "an example"}, lost: map[contender.Name]int{contender.OTel: 30}}
	for n := 1.0; n <= 3; n++ {
		o.rounds = append(o.rounds, round{
			contender.None:      {cost: cost{cpu: n, allocs: 3}},
			contender.Meshtrace: {cost: cost{cpu: 2 * n, allocs: 6, bytes: 500}, delivered: receiver.Counts{Spans: 100}},
			contender.OTel:      {cost: cost{cpu: 21 * n, allocs: 63, bytes: 5000}, delivered: receiver.Counts{Spans: 90}},
		})
	}
	return o
}

func TestWhatIsAddedIsComparedWithinARound(t *testing.T) {
	o := example("x")
	if got, want := o.added(contender.OTel), (cost{cpu: 40, allocs: 60, bytes: 5000}); got != want {
		t.Errorf("added %+v, want %+v", got, want)
	}
	if low, high := o.spread(contender.OTel, contender.Meshtrace); low != 20 || high != 20 {
		t.Errorf("ratios from %g to %g, want 20: the machine slowed down for both", low, high)
	}
	if got := o.overhead(contender.Meshtrace); got != 1 {
		t.Errorf("overhead %g, want 1", got)
	}
}

func TestMedian(t *testing.T) {
	for _, tt := range []struct {
		values []float64
		want   float64
	}{{[]float64{7}, 7}, {[]float64{3, 1}, 2}, {[]float64{9, 1, 2}, 2}} {
		if got := median(tt.values); got != tt.want {
			t.Errorf("median(%v) = %g, want %g", tt.values, got, tt.want)
		}
	}
}

func TestTableSaysWhatWasLost(t *testing.T) {
	var b strings.Builder
	if err := writeTable(&b, []outcome{example("x")}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"2.00 us, 3.0 allocs", "**30 of 300 spans lost**", "**20.0x**", "| 20x |"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%s\ndoes not say %q", b.String(), want)
		}
	}
}

func TestVerdict(t *testing.T) {
	for _, tt := range []struct {
		rule   string
		limits budget
		want   string
	}{
		{"no budget, no verdict", budget{}, ""},
		{"at its limits it is met", budget{allocs: 3, bytes: 500, times: 20, overhead: 1}, "met"},
		{"an allocation too many", budget{allocs: 2}, "**not met**: 3.00 allocs"},
		{"a byte too many", budget{bytes: 499}, "**not met**: 500 B"},
		{"too slow", budget{times: 21}, "**not met**: 20.0x"},
		{"too much of the service", budget{overhead: 0.5}, "**not met**: +100.0 %"},
		{"all that is wrong is said", budget{allocs: none, times: 21}, "**not met**: 3.00 allocs, 20.0x"},
	} {
		if got := verdict(tt.limits, example("x")); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.rule, got, tt.want)
		}
	}
}
