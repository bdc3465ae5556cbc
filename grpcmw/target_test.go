package grpcmw_test

import (
	"context"
	"net"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/grpc/stats"

	"github.com/meshtrace/meshtrace/grpcmw"
)

// addressIn returns the address that a stats handler records for a target.
func addressIn(t *testing.T, target string) (host, port string) {
	r := newRecorder()
	h := grpcmw.ClientHandler(grpcmw.ClientConfig{TracerProvider: ours(t, r, nil), Target: target})
	ctx := h.TagRPC(context.Background(), &stats.RPCTagInfo{FullMethodName: "/a.B/C"})
	h.HandleRPC(ctx, &stats.End{Client: true})
	got := attrs(r.wait(1)[0])
	return got["server.address"], got["server.port"]
}

// slowAddress is what the specification says, by the means of the standard library: a target is a URL,
// or else an endpoint for DNS. The second result is false if it does not tell.
func slowAddress(target string) (host, port string, ok bool) {
	u, err := url.Parse(target)
	if err != nil || u.Scheme == "" || !strings.HasPrefix(strings.ToLower(target), u.Scheme+"://") {
		return "", "", false
	}
	if strings.Contains(target, "%") { // gRPC decodes, we do not
		return "", "", false
	}
	endpoint := strings.TrimPrefix(u.Path, "/")
	if u.Scheme == "unix" {
		return "/" + endpoint, "", true
	}
	if strings.HasPrefix(u.Scheme, "unix") {
		return endpoint, "", true
	}
	host, port, err = net.SplitHostPort(endpoint)
	number, notNumber := strconv.ParseUint(port, 10, 16)
	if err != nil || notNumber != nil || number == 0 || strings.ContainsAny(host, "[]") {
		return "", "", false
	}
	if host == "" { // a port alone says nothing
		return "", "", true
	}
	return host, strconv.FormatUint(number, 10), true
}

func FuzzTarget(f *testing.F) {
	for _, tt := range targets {
		f.Add(tt.target)
	}
	f.Add("consul://user:secret@10.0.0.1:8500/users:80?token=secret")
	f.Fuzz(func(t *testing.T, target string) {
		host, port := addressIn(t, target)
		wantHost, wantPort, ok := slowAddress(target)
		if ok && (host != wantHost || port != wantPort) {
			t.Errorf("%q: %q and %q, want %q and %q", target, host, port, wantHost, wantPort)
		}
		if ok && strings.ContainsAny(host, "?#") {
			t.Errorf("%q: %q holds what is beside the endpoint", target, host)
		}
	})
}
