package propagation

import "unsafe"

// A block holds what one format writes into a carrier: the text of all its values, and the slices
// that http.Header wants, so that all of it is one allocation.
//
// It hands its text out as strings, which is safe because add only ever writes behind what it has
// handed out, and nobody else writes at all.
type block struct {
	values [5]string
	text   [80]byte // the longest format, X-Ray's, needs 74
	len    int
}

// free is where the text of the next value is to be appended.
func (b *block) free() []byte { return b.text[b.len:b.len] }

// add makes text, which was appended to free, the value at i.
func (b *block) add(i int, text []byte) {
	b.len += len(text)
	b.values[i] = unsafe.String(unsafe.SliceData(text), len(text))
}

// write writes the values into c, each into the field at its place. Those without a value are
// removed.
func (b *block) write(c *carrier, fields ...field) {
	for i, f := range fields {
		if b.values[i] == "" {
			c.remove(f)
		} else {
			c.setSlice(f, b.values[i:i+1:i+1])
		}
	}
}
