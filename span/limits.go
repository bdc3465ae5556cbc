package span

// How much one span may hold.

import (
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
)

// Limits bound what one span holds. Zero means the default, a negative number no limit. What
// goes beyond a limit is dropped, and counted on the span. A new attribute is compared with those
// that are there, so a span with many thousands takes time.
//
// Spec: OpenTelemetry Trace SDK, Span Limits, https://opentelemetry.io/docs/specs/otel/trace/sdk/#span-limits
type Limits struct {
	_ struct{} // keyed literals only, so a new field breaks nobody

	// Attributes of a span. Default: 128. Later ones are dropped.
	Attributes int

	// Events of a span. Default: 128. The oldest are dropped: what happened just before the
	// end tells more.
	Events int

	// Links of a span. Default: 128. The oldest are dropped.
	Links int

	// AttributesPerEvent and AttributesPerLink. Default: 128. Later ones are dropped.
	AttributesPerEvent int
	AttributesPerLink  int

	// ValueLength is how many characters a string value may have, or bytes a byte slice, also
	// inside of slices and maps. Longer ones are cut. Default: no limit.
	ValueLength int
}

const (
	defaultCount = 128
	noLimit      = -1

	// maxDepth is how deeply slices of values and maps may be nested. One that is deeper becomes
	// an empty value, as in OpenTelemetry's SDK: an encoder's stack must not depend on its input.
	maxDepth = 64
)

func (l Limits) withDefaults() Limits {
	for _, n := range []*int{&l.Attributes, &l.Events, &l.Links, &l.AttributesPerEvent, &l.AttributesPerLink} {
		if *n == 0 {
			*n = defaultCount
		}
	}
	if l.ValueLength == 0 {
		l.ValueLength = noLimit
	}
	return l
}

// within reports whether one more than n is within limit.
func within(n, limit int) bool { return limit < 0 || n < limit }

// trim returns attrs without duplicate keys and, past limit, without the rest. It works in
// place. The second result is how many were dropped for the limit or for having no key.
func (l *Limits) trim(attrs []attribute.KeyValue, limit int) ([]attribute.KeyValue, int) {
	kept, dropped := attrs[:0], 0
	for _, kv := range attrs {
		switch i := indexOf(kept, kv.Key); {
		case !kv.Valid():
			dropped++
		case i >= 0:
			kept[i] = l.value(kv, maxDepth)
		case within(len(kept), limit):
			kept = append(kept, l.value(kv, maxDepth))
		default:
			dropped++
		}
	}
	clear(attrs[len(kept):]) // a record is used again, and would hold on to the rest
	return kept, dropped
}

// fit reports whether attrs, which a subject has appended, are what trim would return: a subject
// promises all that trim sees to, but for the limits.
func (l *Limits) fit(attrs []attribute.KeyValue) bool {
	return l.ValueLength < 0 && (l.Attributes < 0 || len(attrs) <= l.Attributes)
}

// indexOf looks along attrs. Spans have a dozen attributes and their keys differ in length more
// often than not: this is several times faster than a map then. From some fifty on a map would be,
// but it would be one more thing to keep in step, for spans that hardly anybody records.
func indexOf(attrs []attribute.KeyValue, key attribute.Key) int {
	for i := range attrs {
		if attrs[i].Key == key {
			return i
		}
	}
	return -1
}

// concern reports whether the limits could change v. They seldom do, and an attribute is a lot to
// pass around in vain.
func (l *Limits) concern(v *attribute.Value) bool {
	return l.ValueLength >= 0 || v.Type() > attribute.STRING
}

// value returns kv with its value brought within the limits.
func (l *Limits) value(kv attribute.KeyValue, depth int) attribute.KeyValue {
	switch kv.Value.Type() {
	case attribute.STRING:
		if l.ValueLength >= 0 {
			kv.Value = attribute.StringValue(cut(kv.Value.AsString(), l.ValueLength))
		}
	case attribute.STRINGSLICE:
		if l.ValueLength >= 0 {
			values := kv.Value.AsStringSlice()
			for i := range values {
				values[i] = cut(values[i], l.ValueLength)
			}
			kv.Value = attribute.StringSliceValue(values)
		}
	case attribute.BYTESLICE:
		if b := kv.Value.AsByteSlice(); l.ValueLength >= 0 && len(b) > l.ValueLength {
			kv.Value = attribute.ByteSliceValue(b[:l.ValueLength])
		}
	case attribute.SLICE, attribute.MAP:
		kv.Value = l.nested(kv.Value, depth-1)
	}
	return kv
}

// nested returns a slice or map with each value brought within the limits, and a map's keys
// unique: of a key that stands twice the last value counts, as for a span's own attributes.
func (l *Limits) nested(v attribute.Value, depth int) attribute.Value {
	if depth < 0 {
		return attribute.Value{}
	}
	if v.Type() == attribute.SLICE {
		values := v.AsSlice()
		for i := range values {
			values[i] = l.value(attribute.KeyValue{Value: values[i]}, depth).Value
		}
		return attribute.SliceValue(values...)
	}
	pairs := v.AsMap() // sorted by key, and those of one key in the order in which they were given
	unique := pairs[:0]
	for i, kv := range pairs {
		if i+1 == len(pairs) || pairs[i+1].Key != kv.Key {
			unique = append(unique, l.value(kv, depth))
		}
	}
	return attribute.MapValue(unique...)
}

// cut returns the first n characters of s. A byte that is not UTF-8 counts as one.
func cut(s string, n int) string {
	if len(s) <= n { // no more bytes, so no more characters
		return s
	}
	end := 0
	for ; n > 0 && end < len(s); n-- {
		_, width := utf8.DecodeRuneInString(s[end:])
		end += width
	}
	return s[:end]
}
