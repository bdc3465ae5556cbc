// Package grpcmw traces gRPC servers and clients.
//
//	grpc.NewServer(grpcmw.Server(grpcmw.Config{}))
//	grpc.NewClient(addr, grpcmw.Client(grpcmw.ClientConfig{}))
//
// A server reads the caller's span context from the metadata, serves each call inside a span that
// is its child, and shows that span to the handler in its context. A client makes each call inside
// a span, a child of the one in the call's context, and writes its span context into the metadata.
//
//	metadata -> propagator -> sampler's decision -> span -> handler -> describe -> end
//
// Without a TracerProvider nothing is recorded, and the caller's validated context is passed on.
//
// # Three wirings
//
// [Server] and [Client] are stats handlers: one option each, and they see the most. Interceptors
// cost less, know what a call is, where a stats handler knows attempts, and see a panic. Both
// together see everything, in the same spans; neither way they make two of one.
//
//	grpc.NewServer(grpcmw.ServerInterceptors(grpcmw.Config{})...)
//	grpc.NewClient(addr, grpcmw.ClientInterceptors(grpcmw.ClientConfig{})...)
//
//	                                        stats handler   interceptors
//	calls of methods that do not exist      yes             no
//	sizes of messages                       yes             no
//	metadata of the response, on a server   yes             no
//	what a handler panicked with            no              yes
//	the server that was picked              yes             no
//	attempts, and what they waited for      yes             no
//	how a call ended, and when              as the attempt  exactly
//	the target                              as it is told   yes
//
// What this means in detail is said with [ServerHandler], [ClientHandler] and the interceptors.
//
// # What it promises
//
// Neither a handler nor a peer can tell that it is there, but for the headers that the propagator
// writes. Metadata of the caller's is not changed: what is sent is a copy. A panic goes on with
// the same value.
//
// A span ends when its call does, in whichever way it does: with the last message, an error, the
// cancellation of its context though nobody receives, or the loss of the connection. Sending and
// receiving at the same time is safe, and costs an addition for each message.
//
// Credentials do not leave: metadata is recorded by an allow-list that does not take them.
//
// # What it costs
//
// Beyond bare gRPC and with meshtrace's own provider, a unary call that is recorded costs a server
// five allocations by interceptor: two are gRPC's, one is the span, two hold the caller's context.
// It costs a client nine, most of them to send four words more. A stats handler costs gRPC itself
// fifteen to eighteen, whatever it does, and ours four to ten beyond that.
// TestAllocations has the figures.
package grpcmw
