// Package contextkey finds the keys under which other packages keep values in contexts. They are not
// exported, but a context is told the key when it is asked for the value. Whoever knows it can make a
// context that answers by itself, or read the value without the copy that its owner would make.
package contextkey

import "context"

// Of returns the last key that read asks its context for, or nil if it asks for none. The context has
// no values, and must be asked for nothing else.
func Of(read func(ctx context.Context)) any {
	var asked listener
	read(&asked)
	return asked.key
}

// listener is a context that remembers the last key it was asked for.
type listener struct {
	context.Context
	key any
}

func (c *listener) Value(key any) any {
	c.key = key
	return nil
}
