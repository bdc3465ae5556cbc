package pool_test

import (
	"testing"

	"github.com/meshtrace/meshtrace/internal/pool"
)

type object struct{ size int }

func TestAnObjectComesBackReset(t *testing.T) {
	p := pool.Pool[object]{Reset: func(o *object) bool { o.size = 0; return true }}
	for range 1000 { // a pool may forget, and with -race does so on purpose
		o := p.Get()
		if o.size != 0 {
			t.Fatalf("got an object of size %d, want it reset", o.size)
		}
		o.size = 1
		p.Put(o)
		if p.Get() == o {
			return
		}
	}
	t.Error("no object ever came back")
}

func TestAnEmptyPoolGivesAZeroObject(t *testing.T) {
	var p pool.Pool[object]
	if o := p.Get(); o == nil || *o != (object{}) {
		t.Errorf("got %v, want a zero object", o)
	}
}

func TestAnObjectThatResetRefusesIsGone(t *testing.T) {
	p := pool.Pool[object]{Reset: func(o *object) bool { return o.size < 100 }}
	for range 1000 {
		large := p.Get()
		large.size = 100
		p.Put(large)
		if p.Get() == large {
			t.Fatal("got an object back that is too large to be kept")
		}
	}
}
