package grpcmw

// Calls of methods that a server does not have.

import (
	"context"
	"reflect"
	"strings"

	"go.opentelemetry.io/otel/attribute"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	"github.com/meshtrace/meshtrace/internal/global"
)

// unknown answers a call of a method that the server does not have, as gRPC does by itself.
func (s *server) unknown(_ any, ss grpc.ServerStream) error {
	ctx := ss.Context()
	fullMethod, _ := grpc.MethodFromServerStream(ss)
	if c := handled(ctx, fullMethod); c != nil {
		c.disown()
	} else {
		s.refuse(ctx, fullMethod)
	}
	return unimplemented(fullMethod)
}

// refuse records a call of a method that the server does not have.
func (s *server) refuse(ctx context.Context, fullMethod string) {
	c := served{server: s, rpc: s.startArrival(arrival{
		server: s, ctx: ctx, md: incoming(ctx), method: methodOf(fullMethod), madeUp: true,
	})}
	c.method = otherMethod
	c.end(serverOutcome(errNoSuchMethod))
}

// disown ends a call that a stats handler was told to begin, before anybody could say that there is
// no such method. What gRPC tells of it after that is nothing new.
func (c *served) disown() {
	if c.span.Span != nil {
		c.span.SetName(systemName)
		describe(c.span, func(dst []attribute.KeyValue) []attribute.KeyValue {
			return appendMethod(dst, otherMethod, c.method)
		})
	}
	c.method = otherMethod
	c.end(serverOutcome(errNoSuchMethod))
	c.rpc.span, c.rpc.meters = global.Span{}, nil
}

// errNoSuchMethod is how such a call ends, for its span. What the client calls it is an attribute.
var errNoSuchMethod = status.Error(codes.Unimplemented, "no such method")

// unimplemented is what the client is told. gRPC says either the one or the other, and tells nobody
// which it is.
func unimplemented(fullMethod string) error {
	name := methodOf(fullMethod)
	slash := strings.LastIndexByte(name, '/')
	service, method := name[:max(slash, 0)], name[slash+1:]
	return status.Errorf(codes.Unimplemented, "unknown service %s or unknown method %s for service %s", service, method, service)
}

// unknownHandler returns the option by which a handler gets the calls of methods that the server does
// not have, if there is a [vacancy].
//
// To gRPC's own option such a call is a stream in both directions, and passes the interceptors. They
// have never seen one, and may count by method; what is a stream in neither direction passes them by.
func unknownHandler(handler grpc.StreamHandler) grpc.ServerOption {
	option := grpc.UnknownServiceHandler(handler)
	change := changeOf(reflect.ValueOf(option))
	if !change.IsValid() {
		return option // nor can it be joined
	}
	return like(option, func(settings []reflect.Value) {
		desc := vacancy(settings[0])
		if desc == nil {
			return
		}
		change.Call(settings)
		if *desc != nil {
			(*desc).ClientStreams, (*desc).ServerStreams = false, false
		}
	})
}

// vacancy returns where a server's settings have the handler of such calls. It returns nil if there is
// one already, which is the application's; if there is a stats handler, which would be told more than
// gRPC tells it, and needs nobody if it is ours; or if a later gRPC has the settings otherwise.
func vacancy(settings reflect.Value) **grpc.StreamDesc {
	if settings.Kind() != reflect.Pointer || settings.Elem().Kind() != reflect.Struct {
		return nil
	}
	desc, handlers := settings.Elem().FieldByName("unknownStreamDesc"), settings.Elem().FieldByName("statsHandlers")
	switch {
	case !desc.IsValid(), desc.Type() != reflect.TypeFor[*grpc.StreamDesc](), !desc.IsNil():
		return nil
	case !handlers.IsValid(), handlers.Type() != reflect.TypeFor[[]stats.Handler](), handlers.Len() > 0:
		return nil
	}
	return (**grpc.StreamDesc)(desc.Addr().UnsafePointer())
}

// streamKnown is stream. Should a later gRPC have such calls pass the interceptors after all, it lets
// them through to unknown: to stream, the method is one that exists.
func (s *server) streamKnown(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	if srv == nil && !info.IsClientStream && !info.IsServerStream {
		return next(srv, ss)
	}
	return s.stream(srv, ss, info, next)
}
