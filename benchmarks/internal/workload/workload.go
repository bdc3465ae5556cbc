// Package workload holds the operations whose costs are compared, one file for each kind.
package workload

import (
	"context"
	"fmt"
	"slices"

	"github.com/meshtrace/meshtrace/benchmarks/internal/contender"
)

// A Workload is something that a service does over and over, and that tracing makes dearer.
type Workload struct {
	// Name is a path, as in "server/sampled=yes".
	Name string

	// Title says in a few words what is done.
	Title string

	// Contenders are those that the workload can be set up for. The first is the baseline.
	Contenders []contender.Name

	// Spans is how many spans a contender exports for one operation.
	Spans int

	setup func(name contender.Name, endpoint string) (*Run, error)
}

// All returns the workloads, in the order of the table.
func All() []Workload {
	return slices.Concat(servers(), clients(), rpcs(), extractions(), injections(), exports())
}

// Named returns the workload with the name.
func Named(name string) (Workload, error) {
	for _, w := range All() {
		if w.Name == name {
			return w, nil
		}
	}
	return Workload{}, fmt.Errorf("workload: unknown name %q", name)
}

// Setup makes everything ready for one contender, whose spans go to the endpoint.
func (w Workload) Setup(name contender.Name, endpoint string) (*Run, error) {
	if !slices.Contains(w.Contenders, name) {
		return nil, fmt.Errorf("workload: %s has no contender %q", w.Name, name)
	}
	r, err := w.setup(name, endpoint)
	if err != nil {
		return nil, fmt.Errorf("workload: %s with %s: %w", w.Name, name, err)
	}
	if name != contender.None {
		r.perOperation = w.Spans
	}
	return r, nil
}

// A Run is a workload that is set up for one contender. It is for one goroutine.
type Run struct {
	do       func(n int) error
	flush    func(context.Context) error
	shutdown func(context.Context) error

	perOperation int
	spans        int
}

// newRun returns a run of do, whose spans c delivers.
func newRun(c *contender.Contender, do func(n int) error) *Run {
	return &Run{do: do, flush: c.Flush, shutdown: c.Shutdown}
}

// Pace is how many spans a contender is given at once before it may deliver them all. It is the
// length of the peer's queue: nobody has to drop any.
const Pace = 2048

// Do does n operations, and returns when all that they leave behind is done too: at the latest
// after each [Pace] operations the spans are delivered.
func (r *Run) Do(n int) error {
	for n > 0 {
		some := min(n, Pace)
		if err := r.do(some); err != nil {
			return err
		}
		n -= some
		r.spans += some * r.perOperation
		if err := r.flush(context.Background()); err != nil {
			return err
		}
	}
	return nil
}

// Spans returns how many spans must have arrived by now.
func (r *Run) Spans() int { return r.spans }

// Close ends the contender.
func (r *Run) Close() error { return r.shutdown(context.Background()) }
