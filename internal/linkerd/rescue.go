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
		if err == nil || req.Context().Err() != nil || req.ProtoMajor == 2 && isReset(err) {
			return resp, err
		}
		return synthesize(req, err), nil
	})
}

// rescueConnect does so for connections that could not be made. It is within the client's layer:
// an endpoint was tried, so there is a client span too.
func rescueConnect(next http.RoundTripper) http.RoundTripper {
	return roundTrip(func(req *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(req)
		var dial *net.OpError
		if errors.As(err, &dial) && dial.Op == "dial" && req.Context().Err() == nil {
			return synthesize(req, err), nil
		}
		return resp, err
	})
}

// synthesize returns the proxy's own answer to a request that failed with err. For gRPC the error
// is in a header, and the status that a span shows is 200.
func synthesize(req *http.Request, err error) *http.Response {
	resp := &http.Response{
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		StatusCode: errorStatus(err),
		Header:     http.Header{proxyErrorHeader: {err.Error()}},
		Body:       http.NoBody,
		Request:    req,
	}
	if strings.HasPrefix(req.Header.Get("Content-Type"), "application/grpc") {
		code := "14" // unavailable
		if resp.StatusCode == http.StatusGatewayTimeout {
			code = "4" // deadline exceeded
		}
		resp.StatusCode = http.StatusOK
		resp.Header.Set("Content-Type", "application/grpc")
		resp.Header["Grpc-Status"] = []string{code}
		resp.Header["Grpc-Message"] = []string{err.Error()}
	}
	return resp
}

func errorStatus(err error) int {
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, errNoEndpoint):
		return http.StatusServiceUnavailable
	case errors.As(err, &timeout) && timeout.Timeout():
		return http.StatusGatewayTimeout
	}
	return http.StatusBadGateway
}

// streamError has the shape of net/http's own error for a reset HTTP/2 stream, which is not exported
// but lets errors.As fill any struct like it.
type streamError struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

func (streamError) Error() string { return "the stream was reset" }

func isReset(err error) bool {
	var reset streamError
	return errors.As(err, &reset)
}
