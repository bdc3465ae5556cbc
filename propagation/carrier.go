package propagation

import (
	"math/bits"
	"net/http"

	otelpropagation "go.opentelemetry.io/otel/propagation"
)

// A Deleter is a carrier from which fields can be removed. Inject removes what would contradict
// what it writes: from a Deleter, an http.Header (as [otelpropagation.HeaderCarrier]) and a
// [otelpropagation.MapCarrier]. From other carriers nothing can be removed; what they hold of
// other formats stays.
type Deleter interface {
	Delete(key string)
}

// A carrier reads and writes fields: of an http.Header by canonical key, which does not
// allocate, and of all else through the methods of OpenTelemetry's interface.
type carrier struct {
	header http.Header
	other  otelpropagation.TextMapCarrier // nil if header is what it is about
	absent fieldSet                       // fields that are known not to be there
}

func carrierOf(c otelpropagation.TextMapCarrier) carrier {
	if h, ok := c.(otelpropagation.HeaderCarrier); ok {
		return carrier{header: http.Header(h)}
	}
	return carrier{other: c}
}

// first returns the first value of f, or "".
func (c *carrier) first(f field) string {
	if c.absent&(1<<f) != 0 {
		return ""
	}
	if c.other != nil {
		return c.other.Get(f.lower())
	}
	if values := c.header[f.canonical()]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// only returns the value of f if it has exactly one, otherwise "". A carrier that cannot tell
// is taken at its word.
func (c *carrier) only(f field) string {
	if c.other != nil {
		if more, ok := c.other.(otelpropagation.ValuesGetter); ok && len(more.Values(f.lower())) > 1 {
			return ""
		}
		return c.other.Get(f.lower())
	}
	if values := c.values(f); len(values) == 1 {
		return values[0]
	}
	return ""
}

// values returns all values of f. The slice is the carrier's own.
func (c *carrier) values(f field) []string {
	if c.other == nil {
		return c.header[f.canonical()]
	}
	if more, ok := c.other.(otelpropagation.ValuesGetter); ok {
		return more.Values(f.lower())
	}
	if value := c.other.Get(f.lower()); value != "" {
		return []string{value}
	}
	return nil
}

// writable reports whether set may be called: a nil http.Header cannot be written.
func (c *carrier) writable() bool { return c.other != nil || c.header != nil }

// has reports whether f has any value.
func (c *carrier) has(f field) bool {
	if c.other != nil {
		return c.other.Get(f.lower()) != ""
	}
	return len(c.header[f.canonical()]) > 0
}

// setSlice makes the one value in the slice the only one of f. An http.Header keeps the slice.
func (c *carrier) setSlice(f field, value []string) {
	if c.other != nil {
		c.other.Set(f.lower(), value[0])
		return
	}
	c.header[f.canonical()] = value
}

// set makes value the only one of f.
func (c *carrier) set(f field, value string) {
	if c.other != nil {
		c.other.Set(f.lower(), value)
		return
	}
	c.header[f.canonical()] = []string{value}
}

// remove removes f where the carrier can do that, and reports whether f is gone.
func (c *carrier) remove(f field) bool {
	if c.other == nil {
		if c.absent&(1<<f) == 0 {
			delete(c.header, f.canonical())
		}
		return true
	}
	c.removeNamed(f.lower())
	_, removes := c.other.(Deleter)
	return removes || c.other.Get(f.lower()) == ""
}

// removeNamed removes the field with a name that may be of somebody else's format.
func (c *carrier) removeNamed(name string) {
	switch other := c.other.(type) {
	case nil:
		c.header.Del(name)
	case otelpropagation.MapCarrier:
		delete(other, name)
	case Deleter:
		other.Delete(name)
	}
}

// text reports whether c holds text, where gRPC's metadata holds bytes under names in -bin.
func (c *carrier) text() bool {
	switch c.other.(type) {
	case nil, otelpropagation.MapCarrier, *Environ:
		return true
	}
	return false
}

// removeAll removes every field of the set.
func (c *carrier) removeAll(set fieldSet) {
	(set &^ c.absent).each(func(f field) { c.remove(f) })
}

// lookOnce finds out which fields an http.Header does not have. Most have next to none, and to see
// that once is cheaper than to look for each.
func (c *carrier) lookOnce() {
	if c.other == nil && c.absent == 0 {
		c.absent = everyField &^ c.present()
	}
}

// hasAny reports whether a field of the set has any value, and remembers those that have none.
func (c *carrier) hasAny(set fieldSet) bool {
	for set &^= c.absent; set != 0; set &= set - 1 {
		f := field(bits.TrailingZeros32(uint32(set)))
		if c.has(f) {
			return true
		}
		c.absent |= 1 << f
	}
	return false
}

// present returns the fields that have a value.
func (c *carrier) present() (present fieldSet) {
	if c.other == nil && len(c.header) < fewKeys {
		for key := range c.header {
			if f, known := fieldOf(key); known {
				present |= 1 << f
			}
		}
		return present
	}
	everyField.each(func(f field) {
		if c.has(f) {
			present |= 1 << f
		}
	})
	return present
}

// fewKeys is the size from which on a header is searched for the fields, and not the fields for
// what the header has: BenchmarkInject, rows headers=….
const fewKeys = 24
