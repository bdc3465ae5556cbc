package propagation

import (
	"slices"
	"strings"
)

// An egress says to which hosts anything is sent.
type egress struct {
	withhold, only []string // in lower case
}

func newEgress(cfg Config) egress {
	return egress{withhold: lowerCase(cfg.WithholdFrom), only: lowerCase(cfg.SendOnlyTo)}
}

// lowerCase returns nil for nil.
func lowerCase(hosts []string) []string {
	hosts = slices.Clone(hosts)
	for i, host := range hosts {
		hosts[i] = strings.ToLower(host)
	}
	return hosts
}

// allows reports whether anything is sent to the host, whose name may come with a port.
func (e *egress) allows(host string) bool {
	if e.withhold == nil && e.only == nil {
		return true
	}
	host = strings.ToLower(withoutPort(host))
	return !matchesAny(e.withhold, host) && (e.only == nil || matchesAny(e.only, host))
}

func matchesAny(patterns []string, host string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		switch {
		case pattern == "*":
			return true
		case strings.HasPrefix(pattern, "."):
			return strings.HasSuffix(host, pattern)
		}
		return host == pattern
	})
}

// withoutPort removes the port, the brackets of an IPv6 address, and the dot that ends a fully
// qualified name: each would make another name of the same host, and let it through.
func withoutPort(host string) string {
	if rest, ok := strings.CutPrefix(host, "["); ok {
		address, _, _ := strings.Cut(rest, "]")
		return address
	}
	if i := strings.LastIndexByte(host, ':'); i >= 0 && strings.IndexByte(host, ':') == i {
		host = host[:i]
	}
	return strings.TrimSuffix(host, ".")
}
