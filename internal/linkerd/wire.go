package linkerd

import (
	"context"
	"net"
	"net/http"
	"time"
)

// origProtoHeader names the HTTP version that a request had before it was carried as HTTP/2 from
// proxy to proxy.
const origProtoHeader = "L5d-Orig-Proto"

// A wire carries requests to other proxies and to applications, over connections that it keeps.
type wire struct{ http1, http2 *http.Transport }

type dialFunc = func(ctx context.Context, network, addr string) (net.Conn, error)

func newWire(dial dialFunc, timeout time.Duration) wire {
	http1 := &http.Transport{
		DialContext:           dial,
		DisableCompression:    true, // a proxy asks for nothing that its caller has not asked for
		ExpectContinueTimeout: time.Second,
		MaxIdleConnsPerHost:   1 << 10,
		IdleConnTimeout:       time.Minute,
		ResponseHeaderTimeout: timeout,
	}
	http2 := http1.Clone()
	http2.Protocols = new(http.Protocols)
	http2.Protocols.SetUnencryptedHTTP2(true)
	return wire{http1, http2}
}

func (w wire) close() {
	w.http1.CloseIdleConnections()
	w.http2.CloseIdleConnections()
}

// to returns what sends requests to e: HTTP/2 as it is, and HTTP/1 as HTTP/2 if a proxy is there to
// turn it back. A connection that is to be taken over cannot be shared, and stays HTTP/1.
func (w wire) to(e Endpoint) http.RoundTripper {
	return roundTrip(func(req *http.Request) (*http.Response, error) {
		req = copyRequest(req)
		req.URL.Host = e.Addr
		if req.ProtoMajor == 2 {
			return w.byHTTP2(req)
		}
		if e.Meshed && req.Header.Get("Upgrade") == "" {
			req.Header.Set(origProtoHeader, req.Proto)
			return w.byHTTP2(req)
		}
		return w.http1.RoundTrip(req)
	})
}

// byHTTP2 marks the errors of a connection. What net/http says of one that is lost has many forms
// and no type.
func (w wire) byHTTP2(req *http.Request) (*http.Response, error) {
	resp, err := w.http2.RoundTrip(req)
	if err != nil && !isHTTP2(err) && !isTimeout(err) {
		err = lostError{err}
	}
	return resp, err
}

// downgrade turns a request back into the HTTP/1 that it was, and makes its URL absolute.
func downgrade(next http.RoundTripper) http.RoundTripper {
	return roundTrip(func(req *http.Request) (*http.Response, error) {
		req = copyRequest(req)
		makeAbsolute(req)
		if proto := req.Header.Get(origProtoHeader); proto != "" && req.ProtoMajor == 2 {
			req.Header.Del(origProtoHeader)
			req.Proto = proto
			req.ProtoMajor, req.ProtoMinor, _ = http.ParseHTTPVersion(proto)
		}
		return next.RoundTrip(req)
	})
}

func makeAbsolute(req *http.Request) {
	if req.URL.Host == "" {
		req.URL.Scheme, req.URL.Host = "http", req.Host
	}
}
