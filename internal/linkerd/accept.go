package linkerd

import (
	"io"
	"log"
	"net/http"
	"net/http/httputil"
)

// accept returns a handler that hands requests to next and streams its responses back. prepare
// changes a request before the first layer sees it.
func accept(prepare func(*http.Request), next http.RoundTripper) http.Handler {
	proxy := httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			restore(r)
			prepare(r.Out)
		},
		Transport:     next,
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0),
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		proxy, answer := proxy, &answer{ResponseWriter: w, req: r}
		proxy.ModifyResponse, proxy.ErrorHandler = answer.expect, answer.abort
		if r.ProtoMajor == 1 && r.Body != http.NoBody {
			serveFullDuplex(&proxy, answer, r)
		} else {
			proxy.ServeHTTP(answer, r)
		}
	})
}

// serveFullDuplex lets HTTP/1 be answered while it is still asking. net/http leaves it to such a
// handler to read the body to its end: otherwise the server's own read of what is left collides
// with its wait for the next request, and the connection breaks.
func serveFullDuplex(h http.Handler, w http.ResponseWriter, r *http.Request) {
	rc := http.NewResponseController(w)
	if err := rc.EnableFullDuplex(); err != nil { // a recorder
		h.ServeHTTP(w, r)
		return
	}
	h.ServeHTTP(w, r)
	_ = rc.Flush()
	_, _ = io.Copy(io.Discard, r.Body)
}

// restore undoes what ReverseProxy changes and Linkerd does not.
func restore(r *httputil.ProxyRequest) {
	for _, key := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
		if values, ok := r.In.Header[key]; ok {
			r.Out.Header[key] = values
		}
	}
	r.Out.URL.RawQuery = r.In.URL.RawQuery
	r.Out.Trailer = r.In.Trailer // shared, because it is filled in at the end of the body
	if r.In.ProtoMajor == 2 && r.Out.Body != nil {
		// What is there instead cannot be closed. The transport closes it when it loses its
		// connection, and waits for whoever reads of it, although a stream may be silent for ever.
		r.Out.Body = r.In.Body
	}
}
