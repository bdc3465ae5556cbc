// Package counter counts events that happen on many processors at once.
package counter

import "sync/atomic"

// stripes is the number of cells that adders are spread over. One atomic word that every
// processor writes for every request would be a lock by another name.
const stripes = 16

// A Counter counts up. The zero value is ready to use, from any number of goroutines.
type Counter struct {
	cells [stripes]struct {
		n atomic.Uint64
		_ [56]byte // the rest of a cache line
	}
}

// Inc adds one. Callers with different hints do not disturb each other; a random number that
// is at hand does.
func (c *Counter) Inc(hint byte) { c.cells[hint%stripes].n.Add(1) }

// Load returns the sum of all that was added before the call, and perhaps of what is added
// during it.
func (c *Counter) Load() uint64 {
	var sum uint64
	for i := range c.cells {
		sum += c.cells[i].n.Load()
	}
	return sum
}
