package httpmw

import "net/http"

// InstrumentDefaults makes [http.DefaultTransport] trace what it sends, and with it
// [http.DefaultClient], http.Get and everything else that names no transport of its own. The
// function that it returns puts back what was there. Called again, it replaces what it did before.
//
// Neither is safe while other goroutines send: call it when the program starts. A program that
// expects an [*http.Transport] in http.DefaultTransport, to clone it, does not find one any more.
func InstrumentDefaults(cfg ClientConfig) (undo func()) {
	transport, client := http.DefaultTransport, http.DefaultClient.Transport
	traced := NewTransport(untraced(transport), cfg)
	http.DefaultTransport = traced
	if client != nil {
		http.DefaultClient.Transport = NewTransport(untraced(client), cfg)
	}
	tracedClient := http.DefaultClient.Transport
	return func() {
		if http.DefaultTransport == http.RoundTripper(traced) {
			http.DefaultTransport = transport
		}
		if client != nil && http.DefaultClient.Transport == tracedClient {
			http.DefaultClient.Transport = client
		}
	}
}

// untraced returns rt, or what is below it if that traces already: whoever traces it anew wants his
// own spans, and not two for each request.
func untraced(rt http.RoundTripper) http.RoundTripper {
	if traced, ok := rt.(*Transport); ok {
		return traced.base
	}
	return rt
}
