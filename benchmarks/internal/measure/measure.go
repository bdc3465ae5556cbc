// Package measure runs a workload for one contender in a process of its own, and says what it
// used.
package measure

import (
	"runtime"
	"time"

	"github.com/meshtrace/meshtrace/benchmarks/internal/contender"
	"github.com/meshtrace/meshtrace/benchmarks/internal/process"
	"github.com/meshtrace/meshtrace/benchmarks/internal/usage"
	"github.com/meshtrace/meshtrace/benchmarks/internal/workload"
)

// Settings say what is measured.
type Settings struct {
	Workload  string
	Contender contender.Name
	Endpoint  string        // of the receiver
	Time      time.Duration // that the measurement takes
}

// Result is what a number of operations used.
type Result struct {
	Operations int
	Used       usage.Usage
	Spans      int // that the receiver must have got from the process, warm-up included
}

// Run sets the workload up, warms up, measures, and shuts the contender down.
func Run(s Settings) (Result, error) {
	w, err := workload.Named(s.Workload)
	if err != nil {
		return Result{}, err
	}
	run, err := w.Setup(s.Contender, s.Endpoint)
	if err != nil {
		return Result{}, err
	}
	const warmUp = 4 // of the time, one part in
	if _, _, err := repeat(run, s.Time/warmUp); err != nil {
		return Result{}, err
	}
	operations, used, err := repeat(run, s.Time)
	if err != nil {
		return Result{}, err
	}
	return Result{operations, used, run.Spans()}, run.Close()
}

// repeat repeats the workload for some time, at least once.
func repeat(run *workload.Run, d time.Duration) (operations int, used usage.Usage, err error) {
	runtime.GC() // what came before has paid for its own garbage
	before, start := usage.Now(), time.Now()
	for operations == 0 || time.Since(start) < d {
		if err := run.Do(workload.Pace); err != nil {
			return 0, usage.Usage{}, err
		}
		operations += workload.Pace
	}
	return operations, usage.Since(before), nil
}

// RoleName is the name under which a program that calls [Apart] has to offer [Role].
const RoleName = "measure"

// Role is [Run] in a process of its own. It has the result for any question.
var Role = process.Settings(func(s Settings) (process.Answer, error) {
	result, err := Run(s)
	return func(string) (any, error) { return result, err }, nil
})

// Apart is [Run] in a process of its own.
func Apart(s Settings) (r Result, err error) {
	child, err := process.Start(RoleName, s)
	if err != nil {
		return Result{}, err
	}
	if err := child.Ask("result", &r); err != nil {
		_ = child.Close() // the first error says why
		return Result{}, err
	}
	return r, child.Close()
}
