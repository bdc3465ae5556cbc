package workload

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"strings"
)

// The caller's span context, as it stands in the request.
const (
	CallersTraceID = "4bf92f3577b34da6a3ce929d0e0e4736"
	CallersSpanID  = "00f067aa0ba902b7"
)

// requestText is what a service in a mesh reads when a frontend calls it. %FLAGS% is the
// sampled flag.
const requestText = `GET /users/42?fields=name HTTP/1.1
Host: user-service.default.svc.cluster.local:8080
User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0
Accept: application/json
Accept-Language: en-GB,en;q=0.7
Accept-Encoding: gzip, deflate, br
X-Request-Id: 6f1d8c0e-53a1-4b0e-9a3c-2f1e5f7f2f11
X-Forwarded-For: 203.0.113.7
L5d-Client-Id: frontend.default.serviceaccount.identity.linkerd.cluster.local
Traceparent: 00-` + CallersTraceID + `-` + CallersSpanID + `-%FLAGS%

`

// parseRequest returns the request, as net/http's server gives one to a handler. flags is 01 or
// 00, for sampled or not.
func parseRequest(flags string) (*http.Request, error) {
	text := strings.NewReplacer("%FLAGS%", flags, "\n", "\r\n").Replace(requestText)
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
	if err != nil {
		return nil, err
	}
	r.RemoteAddr = "10.42.0.17:48122"
	r.Body = http.NoBody
	local := &net.TCPAddr{IP: net.IPv4(10, 42, 0, 23), Port: 8080}
	ctx := context.WithValue(context.Background(), http.ServerContextKey, new(http.Server))
	ctx = context.WithValue(ctx, http.LocalAddrContextKey, local)
	ctx, cancel := context.WithCancel(ctx) // as the server does, when the connection breaks
	context.AfterFunc(ctx, cancel)
	return r.WithContext(ctx), nil
}
