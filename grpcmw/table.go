package grpcmw

import (
	"maps"
	"sync"
	"sync/atomic"
)

// A table keeps what was made for a key: for a method, a target, an attribute set. It is read for
// every call and seldom grows, so reading takes no lock. The zero value is an empty one.
type table[Key comparable, Value any] struct {
	all atomic.Pointer[map[Key]Value]
	mu  sync.Mutex // held to add one
}

// maxEntries is how many keys a table keeps. They are few, unless a client makes up methods, or a
// program dials addresses instead of names: that must not take memory without end.
const maxEntries = 1000

// get returns the value of a key, and whether there is one.
func (t *table[Key, Value]) get(k Key) (v Value, ok bool) {
	if all := t.all.Load(); all != nil {
		v, ok = (*all)[k]
	}
	return v, ok
}

// add keeps the value of a key, unless another one came first or there is no room any more, and
// reports whether the key is in the table now.
func (t *table[Key, Value]) add(k Key, v Value) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := map[Key]Value{}
	if old := t.all.Load(); old != nil {
		if _, ok := (*old)[k]; ok {
			return true
		}
		if len(*old) >= maxEntries {
			return false
		}
		all = maps.Clone(*old)
	}
	all[k] = v
	t.all.Store(&all)
	return true
}
