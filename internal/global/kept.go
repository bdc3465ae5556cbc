package global

import (
	"reflect"
	"sync/atomic"
)

// A Kept is a thing that was made of a provider, and is made again when the provider changes.
// It is safe for concurrent use.
type Kept[Provider, Thing any] struct {
	// Provider returns the provider to use now.
	Provider func() Provider

	// Make makes a thing. It may return nil. Two goroutines that meet a new provider at the
	// same time both call it, and one result is thrown away.
	Make func(Provider) *Thing

	last atomic.Pointer[kept[Provider, Thing]]
}

type kept[Provider, Thing any] struct {
	provider   Provider
	comparable bool // == would panic otherwise
	thing      *Thing
}

// Load returns the thing that belongs to the provider of now.
func (k *Kept[Provider, Thing]) Load() *Thing {
	p := k.Provider()
	if last := k.last.Load(); last != nil && last.comparable && any(last.provider) == any(p) {
		return last.thing
	}
	next := &kept[Provider, Thing]{provider: p, thing: k.Make(p)}
	next.comparable = reflect.TypeOf(p) == nil || reflect.ValueOf(p).Comparable()
	k.last.Store(next)
	return next.thing
}
