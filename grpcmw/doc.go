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
// [Server] and [Client] are interceptors, each as one option. They cost little, know what a call is,
// where a stats handler knows attempts, and see a panic. A stats handler sees what gRPC does inside;
// what it costs is said below. Both together see everything, in the same spans:
//
//	grpc.NewServer(grpc.StatsHandler(grpcmw.ServerHandler(cfg)), grpcmw.Server(cfg))
//	grpc.NewClient(addr, grpcmw.Client(cfg), grpc.WithStatsHandler(grpcmw.ClientHandler(cfg)))
//
//	                                        interceptors    stats handler
//	how a call ended, and when              exactly         as the attempt
//	the target                              yes             as it is told
//	what a handler panicked with            yes             no
//	which attempt arrived, on a server      yes             yes
//	attempts, and what they waited for      no              yes
//	the server that was picked              no              yes
//	sizes of messages                       no              yes
//	metadata of the response, on a server   no              yes
//	calls of methods that do not exist      by Server       yes
//
// What this means in detail is said with [ServerHandler], [ClientHandler] and the interceptors. A
// connection with a retry policy is where a [ClientHandler] is worth its price.
//
// # What it promises
//
// Neither a handler nor a peer can tell that it is there, but for the headers that the propagator
// writes, and for the message by which a [Server] refuses a method that does not exist. Metadata of the
// caller's is not changed: what is sent is a copy. A panic goes on with the same value.
//
// A span ends when its call does, in whichever way it does: with the last message, an error, the
// cancellation of its context though nobody receives, or the loss of the connection. Sending and
// receiving at the same time is safe, and costs an addition for each message.
//
// Credentials do not leave: metadata is recorded by an allow-list that does not take them. Of each text
// that a peer may send at any length, a span has the first 8 KiB at most.
//
// # What it costs
//
// Beyond bare gRPC and with meshtrace's own provider, a unary call that is recorded costs a server
// three allocations: two are gRPC's, one is the span. It costs a client nine, most of them to send four
// words more. With a stats handler gRPC itself takes fifteen to eighteen more, whatever that does, and
// ours two to eleven of its own. TestAllocations has the figures.
package grpcmw
