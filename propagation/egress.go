package propagation

import (
	"slices"
	"strings"
)

// An egress says to which hosts anything is sent.
type egress struct {
	withhold []string   // in lower case, as those in only
	only     [][]string // each of which has to have the host
}

func newEgress(cfg Config) egress {
	e := egress{withhold: lowerCase(cfg.WithholdFrom)}
	if cfg.SendOnlyTo != nil {
		e.only = [][]string{lowerCase(cfg.SendOnlyTo)}
	}
	return e
}

// add sends nothing to those hosts either to which other would send nothing.
func (e *egress) add(other egress) {
	e.withhold = append(e.withhold, other.withhold...)
	e.only = append(e.only, other.only...)
}

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
	for _, only := range e.only {
		if !matchesAny(only, host) {
			return false
		}
	}
	return !matchesAny(e.withhold, host)
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
