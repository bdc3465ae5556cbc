// Package meshtrace traces Go services in a Linkerd mesh, with Jaeger as the place to look.
//
// Linkerd's proxies make spans and forward trace headers, but they cannot tie an application's
// outgoing request to its incoming one, never start a trace, and never sample. meshtrace does what
// the mesh leaves open:
//
//	request headers -> propagation -> sampler -> span -> exporter -> Jaeger
//
// [Start] wires that pipeline, and the middlewares drive it:
//
//	tracing, err := meshtrace.Start(ctx, meshtrace.Config{Service: "user-service"})
//	if err != nil {
//		log.Fatal(err)
//	}
//	defer tracing.Shutdown(context.Background())
//
//	client := &http.Client{Transport: httpmw.NewTransport(nil, httpmw.ClientConfig{})}
//	http.ListenAndServe(":8080", httpmw.Wrap(mux))
//
// Each package can be used alone, and all of them speak OpenTelemetry's interfaces: the provider
// takes any sampler, processor and exporter, the exporter works behind OpenTelemetry's SDK, and
// the middlewares run on any provider. Without Start, they pass the mesh's context through and
// record nothing.
//
// # Guarantees
//
// Requests do not wait for the exporter, and a collector that is down costs bounded memory. Every
// span is accounted for: [Tracing.Stats] says where each is, and [Tracing.Shutdown] what was lost.
package meshtrace
