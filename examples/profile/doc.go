// Command profile shows one request through three services and their Linkerd proxies, as one trace.
//
//	outside -> frontend -> user-service -> profile-service
//	          HTTP        HTTP            gRPC
//
// Each service stands behind a proxy on both its sides, all of them talk over TCP on loopback, and
// services and proxies export their spans over OTLP/HTTP to a collector in memory. Then the trace
// is printed. Nothing needs to be installed:
//
//	go run ./examples/profile
//
// An outside request without trace headers passes the first proxy untouched, because proxies start
// no traces. The frontend does: 13 spans, of which 5 are the services' and 8 the proxies'. With
// headers from outside (-traceparent) the first proxy takes part too, and there are 15.
//
// What a user would write is in services.go, and the rest is the mesh around it. With -endpoint the
// spans go to a real Jaeger instead.
package main
