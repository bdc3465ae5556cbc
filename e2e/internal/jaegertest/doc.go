// Package jaegertest runs a real Jaeger for a test, as net/http/httptest runs a server:
//
//	Build -> executable -> Start -> Server.Endpoints <- spans, over any protocol
//	                               Server.Query      -> what Jaeger holds
//
// Jaeger keeps everything in memory and listens on loopback only, on ports that were free, so
// that any number of them run side by side. Its receivers write to the store before they
// answer: once a sender has its answer, and UDP apart, Query finds the spans.
package jaegertest
