package linkerd

import (
	"errors"
	"net"
	"net/http"
	"strings"
)

const proxyErrorHeader = "L5d-Proxy-Error"

var errNoEndpoint = errors.New("no endpoint is known")

// roundTrip makes a function an [http.RoundTripper].
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// rescueAll turns the errors of next into responses, so that they have a server span. Two are
// left: a caller that has gone is answered nothing, and a stream that was reset is reset.
func rescueAll(next http.RoundTripper) http.RoundTripper {
	return roundTrip(func(req *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(req)
		if err == nil || req.Context().Err() != nil || req.ProtoMajor == 2 && isHTTP2(err) {
			return resp, err
		}
		return synthesize(req, err), nil
	})
}

// rescueClient does so for an endpoint that was tried: it could not be reached, or was lost before
// it answered. It is within the client's layer, so there is a client span too.
func rescueClient(next http.RoundTripper) http.RoundTripper {
	return roundTrip(func(req *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(req)
		if err == nil || req.Context().Err() != nil {
			return resp, err
		}
		var network *net.OpError // none for HTTP/1 that ends without an answer, which nobody expects
		if errors.As(err, new(lostError)) || errors.As(err, &network) || req.ProtoMajor == 1 && isHTTP2(err) {
			return synthesize(req, lostError{err}), nil
		}
		return nil, err
	})
}

// lostError is an error of a connection, not of what was said on it.
type lostError struct{ error }

func (e lostError) Unwrap() error { return e.error }

// synthesize returns the proxy's own answer to a request that failed with err. For gRPC, which is
// HTTP/2 always, the error is in a header, and the status that a span shows is 200.
func synthesize(req *http.Request, err error) *http.Response {
	httpStatus, grpcStatus := errorStatus(err)
	resp := &http.Response{
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		StatusCode: httpStatus,
		Header:     http.Header{proxyErrorHeader: {err.Error()}, "Content-Length": {"0"}},
		Body:       http.NoBody,
		Request:    req,
	}
	if req.ProtoMajor == 2 && strings.HasPrefix(req.Header.Get("Content-Type"), "application/grpc") {
		resp.StatusCode = http.StatusOK
		resp.Header.Set("Content-Type", "application/grpc")
		resp.Header.Set("Grpc-Status", grpcStatus)
		resp.Header.Set("Grpc-Message", err.Error())
	}
	return resp
}

// errorStatus returns the statuses that say err, for plain HTTP and for gRPC.
func errorStatus(err error) (httpStatus int, grpcStatus string) {
	switch {
	case errors.Is(err, errNoEndpoint):
		return http.StatusServiceUnavailable, "14" // unavailable
	case isTimeout(err):
		return http.StatusGatewayTimeout, "4" // deadline exceeded
	case errors.As(err, new(lostError)):
		return http.StatusBadGateway, "14"
	}
	return http.StatusInternalServerError, "13" // internal
}

// isHTTP2 reports whether the peer has said that the stream, or its whole connection, ends.
func isHTTP2(err error) bool {
	return errors.As(err, new(streamError)) || strings.HasPrefix(err.Error(), "http2: server sent GOAWAY")
}

func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}
