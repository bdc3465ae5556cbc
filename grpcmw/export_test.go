package grpcmw

import (
	"reflect"

	"google.golang.org/grpc"
)

// Join is join, for its tests.
func Join[Option any](options []Option, otherwise Option) Option { return join(options, otherwise) }

// Vacant reports whether there is a vacancy, for its tests.
func Vacant(settings any) bool { return vacancy(reflect.ValueOf(settings)) != nil }

// StreamKnown is the interceptor of a [Server], for its tests.
func StreamKnown(cfg Config) grpc.StreamServerInterceptor { return newServer(cfg).streamKnown }
