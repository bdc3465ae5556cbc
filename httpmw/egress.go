package httpmw

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"

	"go.opentelemetry.io/otel/baggage"
	otelpropagation "go.opentelemetry.io/otel/propagation"

	"github.com/meshtrace/meshtrace/internal/seam"
	"github.com/meshtrace/meshtrace/propagation"
)

// Egress says what leaves with requests to hosts outside the mesh: a trace ID is a key to what has
// been recorded, and baggage may be anything. The requests have spans all the same. The zero value
// sends everything to every host.
type Egress struct {
	// Mesh are the hosts inside. If there are any, all others get nothing.
	Mesh Hosts

	// NoTrace are hosts that get nothing.
	NoTrace Hosts

	// NoBaggage are hosts that get a span context but no baggage.
	NoBaggage Hosts
}

// Hosts is a list of hosts, made by [NewHosts]. The zero value is an empty one.
type Hosts struct {
	names    []string // in lower case; one with a dot in front matches what is below it
	networks []netip.Prefix
	all      bool
}

// NewHosts returns a list of hosts: a name or an address as it is, "example.com", "10.1.2.3" or
// "::1"; the names below one, ".example.com"; the addresses of a network, "10.0.0.0/8"; and all
// hosts, "*". Case does not matter, ports are not part of it, and addresses are those in URLs: no
// name is looked up. The error joins all patterns that are none of these.
func NewHosts(patterns ...string) (Hosts, error) {
	var h Hosts
	var errs []error
	for _, pattern := range patterns {
		name := strings.ToLower(pattern)
		network, isNetwork := netip.ParsePrefix(name)
		switch {
		case name == "*":
			h.all = true
		case isNetwork == nil:
			h.networks = append(h.networks, network.Masked())
		case isHost(name):
			h.names = append(h.names, name)
		default:
			errs = append(errs, fmt.Errorf("httpmw: host %q: want a name, an address, a network or *", cut(pattern)))
		}
	}
	return h, errors.Join(errs...)
}

// isHost reports whether name is an address, or made of what names of hosts are made of.
func isHost(name string) bool {
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	for _, label := range strings.Split(strings.TrimPrefix(name, "."), ".") {
		if label == "" || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return true
}

// has reports whether h has a host, which comes with its port as in a URL.
func (h Hosts) has(hostPort string) bool {
	if h.all || len(h.names)+len(h.networks) == 0 {
		return h.all
	}
	host, _ := splitHostPort(hostPort)
	host = strings.ToLower(strings.TrimSuffix(host, ".")) // a dot at the end makes the same name
	for _, name := range h.names {
		if host == name || name[0] == '.' && strings.HasSuffix(host, name) {
			return true
		}
	}
	if len(h.networks) == 0 {
		return false
	}
	address, err := netip.ParseAddr(host)
	for _, network := range h.networks {
		if err == nil && network.Contains(address.Unmap()) {
			return true
		}
	}
	return false
}

func (h Hosts) empty() bool { return !h.all && len(h.names)+len(h.networks) == 0 }

// inject writes what ctx holds into the headers of out, as far as its host may have it.
func (t *Transport) inject(ctx context.Context, out *http.Request) {
	to, host := &t.cfg.Egress, out.URL.Host
	switch {
	case to.NoTrace.has(host), !to.Mesh.empty() && !to.Mesh.has(host):
		for _, name := range t.propagators.Load().Fields() {
			out.Header.Del(name)
		}
		nothing.InjectTo(ctx, "", otelpropagation.HeaderCarrier(out.Header))
		return
	case to.NoBaggage.has(host):
		ctx = baggage.ContextWithoutBaggage(ctx)
		out.Header.Del("baggage")
	}
	host, _ = splitHostPort(host)
	t.propagators.Inject(ctx, host, otelpropagation.HeaderCarrier(out.Header))
}

// nothing is a propagator that removes whatever trace headers a request has, in any format: a
// reverse proxy copies those of the request that it got.
var nothing = propagation.New(propagation.Config{SendOnlyTo: []string{}}).(seam.HostInjector)
