// Package capture makes attributes of what headers, or metadata, hold under given names.
package capture

import (
	"go.opentelemetry.io/otel/attribute"

	"github.com/meshtrace/meshtrace/internal/excerpt"
)

// A List is the names whose values are recorded. The zero List is an empty one. Once it has its names it
// is only read, by any number of goroutines.
type List struct{ all []captured }

// captured is a name, and the attributes that hold its values.
type captured struct {
	name              string // as the headers or the metadata have it
	request, response attribute.Key
}

// Add adds a name, spelled as the headers or the metadata have it, with the attributes that hold its
// values in a request and in a response.
func (l *List) Add(name string, request, response attribute.Key) {
	l.all = append(l.all, captured{name, request, response})
}

// Empty reports whether there is nothing to record.
func (l List) Empty() bool { return len(l.all) == 0 }

// AppendRequest appends the values that from has of the names, as those of a request.
func (l List) AppendRequest(dst []attribute.KeyValue, from map[string][]string) []attribute.KeyValue {
	for _, c := range l.all {
		if values := from[c.name]; len(values) > 0 {
			dst = append(dst, c.request.StringSlice(excerpt.All(values)))
		}
	}
	return dst
}

// AppendResponse appends the values that from has of the names, as those of a response.
func (l List) AppendResponse(dst []attribute.KeyValue, from map[string][]string) []attribute.KeyValue {
	for _, c := range l.all {
		if values := from[c.name]; len(values) > 0 {
			dst = append(dst, c.response.StringSlice(excerpt.All(values)))
		}
	}
	return dst
}
