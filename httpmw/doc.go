// Package httpmw traces HTTP servers and clients.
//
//	http.ListenAndServe(":8080", httpmw.Wrap(mux))
//	client := &http.Client{Transport: httpmw.NewTransport(nil, httpmw.ClientConfig{})}
//
// A wrapped handler reads the caller's span context, runs inside a server span that is its child,
// and finds that span in the request's context. A wrapped transport sends each request inside a
// client span, a child of the span in the request's context, and writes its span context into the
// headers of a copy.
//
//	headers -> propagator -> sampler's decision -> span -> handler -> describe -> end
//
// Without a TracerProvider nothing is recorded, and the caller's validated context is passed on.
//
// # What it promises
//
// Neither the handler nor the peer can tell that it is there. The handler's ResponseWriter has
// the capabilities of the one below and no others; what is sent, and when, does not change; a
// panic goes on with the same value. A transport does not touch the caller's request or its
// header map, nor wrap its body, and the response shows the caller's request as the one sent.
//
// A few things show all the same, for net/http tells its own types apart:
//
//   - [http.MaxBytesHandler] and [http.MaxBytesReader] below a wrapped handler limit what is read,
//     but do not also close an HTTP/1 connection after the reply. Put the former above.
//   - A handler further out does not find the path values of a [http.ServeMux] below on its own
//     request, though it does find the pattern. Nothing but the mux can write them there cheaply.
//   - net/http reports a superfluous WriteHeader as coming from this package.
//   - A handler that asks for a combination of interfaces which no ResponseWriter of net/http's has
//     may have to ask [http.ResponseController].
//
// # What leaves
//
// What callers send is not believed where [Config] says that they are strangers, and addresses in
// headers only as far as it says that our proxies wrote them. Of each text that a peer may send at any
// length, a span has the first 8 KiB: long ones would push out the spans of others. Of what the service itself knows,
// credentials do not leave: neither those in a URL, nor the values of known signature parameters
// in a query, nor any header that holds some. [Egress] keeps trace headers and baggage inside the
// mesh.
//
// # What it costs
//
// Beyond the handler, with meshtrace's own provider: a request that is not recorded costs the
// copy of the request that carries the context, and the span context itself; one that is recorded
// also an object that observes the response. A transport costs the copy of the request and its
// header, the header's new values, the span, and the response's body. Attributes are built only
// once the sampler has decided, unless it asks for them, in memory that is used again. Metrics are
// built only if there is a MeterProvider, and cost no allocation.
package httpmw
