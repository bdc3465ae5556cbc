// Package pool keeps objects for use again, with their type.
package pool

import "sync"

// A Pool is a [sync.Pool] of *T.
//
// Nothing that a user may still hold belongs into a pool.
type Pool[T any] struct {
	// Reset makes an object ready for its next use. It returns false to have the object
	// thrown away, as one that has grown too large should be: a pool would pin its memory.
	Reset func(*T) bool

	pool sync.Pool
}

// Get returns a used object, or a new zero one.
func (p *Pool[T]) Get() *T {
	if x, ok := p.pool.Get().(*T); ok {
		return x
	}
	return new(T)
}

// Put gives x back. The caller must not use it any more.
func (p *Pool[T]) Put(x *T) {
	if p.Reset(x) {
		p.pool.Put(x)
	}
}
