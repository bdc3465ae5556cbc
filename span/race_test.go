//go:build race

package span_test

// raceEnabled says that pools forget objects at random, and allocations cannot be counted.
const raceEnabled = true
