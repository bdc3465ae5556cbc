package httpmw

import (
	"unsafe"

	"github.com/meshtrace/meshtrace/internal/pool"
)

// text is room for the strings that requests need: URLs and names. Many of them share one piece of
// memory, which goes when the last of them has gone.
type text struct{ room []byte }

const (
	roomBytes = 4 << 10 // what one string can keep from being freed
	leastRoom = 256     // most URLs fit; those that do not become strings of their own
)

var texts = pool.Pool[text]{Reset: func(*text) bool { return true }}

// begin returns an empty slice to append a string to.
func (t *text) begin() []byte {
	if cap(t.room) < leastRoom {
		t.room = make([]byte, 0, roomBytes)
	}
	return t.room
}

// end returns what was appended. The slice must not be used any more.
func (t *text) end(b []byte) string {
	if cap(b) == cap(t.room) { // it fitted: what is behind it is for the next one
		t.room = b[len(b):]
	}
	return unsafe.String(unsafe.SliceData(b), len(b)) // nobody writes to these bytes again
}

// join returns a+b+c.
func join(a, b, c string) string {
	t := texts.Get()
	defer texts.Put(t)
	return t.end(append(append(append(t.begin(), a...), b...), c...))
}
