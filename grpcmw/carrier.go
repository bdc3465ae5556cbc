package grpcmw

import (
	"context"
	"maps"
	"slices"
	"strings"

	"google.golang.org/grpc/metadata"

	otelpropagation "go.opentelemetry.io/otel/propagation"

	"github.com/meshtrace/meshtrace/internal/contextkey"
	"github.com/meshtrace/meshtrace/internal/pool"
	"github.com/meshtrace/meshtrace/propagation"
)

// Metadata as propagators want to have it. Keys are in lower case; values under names in -bin are
// bytes, which gRPC encodes.
//
// Spec: gRPC over HTTP2, Custom-Metadata, https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md

// received is the metadata that came with a call. It belongs to gRPC, and is not changed.
type received metadata.MD

var _ otelpropagation.ValuesGetter = received(nil)

// Get returns the first value of a key, or "".
func (r received) Get(key string) string { return first(r[strings.ToLower(key)]) }

// Values returns the values of a key.
func (r received) Values(key string) []string { return r[strings.ToLower(key)] }

// Set does nothing: nobody injects into what came in.
func (r received) Set(string, string) {}

// Keys returns the names of all that came.
func (r received) Keys() []string { return slices.Collect(maps.Keys(r)) }

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// incomingKey is the key under which gRPC keeps the metadata that came in.
// [metadata.FromIncomingContext] copies everything for each call, and we read three values of it.
var incomingKey = contextkey.Of(func(ctx context.Context) { metadata.FromIncomingContext(ctx) })

// incoming returns the metadata that came in, which is not to be changed.
func incoming(ctx context.Context) received {
	if md, ok := ctx.Value(incomingKey).(metadata.MD); ok {
		return received(md)
	}
	md, _ := metadata.FromIncomingContext(ctx) // should a later gRPC keep it otherwise
	return received(md)
}

// outgoing is the metadata that is to go out with a call. What the caller has put into its context
// stays as it is there: md is a copy.
type outgoing struct {
	md      metadata.MD // nil if the caller has none
	changed bool        // md was
	added   []string    // names and values, for a caller that has none
	lengths uint64      // of all keys, a bit for each: most that are asked for show there that they are missing
}

var (
	_ otelpropagation.TextMapCarrier = (*outgoing)(nil)
	_ propagation.Deleter            = (*outgoing)(nil)
)

var outgoings = pool.Pool[outgoing]{Reset: func(o *outgoing) bool {
	clear(o.added) // let the strings go
	*o = outgoing{added: o.added[:0]}
	return true
}}

// begin takes over the metadata of ctx.
func (o *outgoing) begin(ctx context.Context) {
	if md, ok := metadata.FromOutgoingContext(ctx); ok && len(md) > 0 {
		o.md = md
		for key := range md {
			o.lengths |= lengthBit(key)
		}
	}
}

func lengthBit(key string) uint64 { return 1 << (len(key) % 64) }

// context returns ctx with the metadata as it has become.
func (o *outgoing) context(ctx context.Context) context.Context {
	switch {
	case o.changed:
		return metadata.NewOutgoingContext(ctx, o.md)
	case len(o.added) > 0:
		return metadata.AppendToOutgoingContext(ctx, o.added...)
	}
	return ctx
}

// lacks reports whether one sees at a glance that there is no such key. A propagator asks for two dozen
// that are not there: BenchmarkInterceptor.
func (o *outgoing) lacks(key string) bool { return o.lengths&lengthBit(key) == 0 }

// Get returns the first value of a key, or "".
func (o *outgoing) Get(key string) string {
	if o.lacks(key) {
		return ""
	}
	key = strings.ToLower(key)
	if i := o.find(key); i >= 0 {
		return o.added[i+1]
	}
	return first(o.md[key])
}

// Set makes value the only one of a key.
func (o *outgoing) Set(key, value string) {
	key = strings.ToLower(key)
	o.lengths |= lengthBit(key)
	if o.md != nil {
		o.md[key] = []string{value}
		o.changed = true
	} else if i := o.find(key); i >= 0 {
		o.added[i+1] = value
	} else {
		o.added = append(o.added, key, value)
	}
}

// Delete removes all values of a key.
func (o *outgoing) Delete(key string) {
	if o.lacks(key) {
		return
	}
	key = strings.ToLower(key)
	if _, ok := o.md[key]; ok {
		delete(o.md, key)
		o.changed = true
	}
	if i := o.find(key); i >= 0 {
		o.added = slices.Delete(o.added, i, i+2)
	}
}

// Keys returns the names of all that is to go out.
func (o *outgoing) Keys() []string {
	keys := slices.Collect(maps.Keys(o.md))
	for i := 0; i < len(o.added); i += 2 {
		keys = append(keys, o.added[i])
	}
	return keys
}

// find returns where a key is in added, or -1.
func (o *outgoing) find(key string) int {
	for i := 0; i < len(o.added); i += 2 {
		if o.added[i] == key {
			return i
		}
	}
	return -1
}
