// Package interop runs gRPC's own interoperability tests with grpcmw on both sides.
//
// They come with grpc-go, as a client that checks what it gets and a server, and say in which ways
// calls are made and end. All pass that need neither credentials nor grpc-go's internals, by each
// wiring of grpcmw, and each of their calls is one span of the client and one of the server, but that
// interceptors which one adds one by one do not see a service which the server does not have.
//
// It is a module of its own: the tests need Google's authentication library and the protocols of xDS,
// and the library's go.mod is to stay without them.
package interop
