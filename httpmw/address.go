package httpmw

import (
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Headers by which proxies say what they saw. Anybody can send them, so they count only as far
// as our own proxies wrote them.

// clientAddress returns the address of the client: the peer's, or what the last proxy of ours saw.
//
// Each proxy appends its peer to X-Forwarded-For. So the last entry was written by our peer,
// which the configuration says is ours; the one before it by that one's peer; and so on.
func (m *Middleware) clientAddress(r *http.Request, peer string) string {
	client := peer
	for hop := 1; hop <= int(m.cfg.TrustedHops); hop++ {
		address := addressOf(fromEnd(r.Header["X-Forwarded-For"], hop))
		if address == "" {
			break
		}
		client = address
	}
	return client
}

// addressOf returns the address in an entry of X-Forwarded-For, which may have a port, or "" if it
// is none. One with a zone is none: that can be any text.
func addressOf(entry string) string {
	if at, err := netip.ParseAddrPort(entry); err == nil && at.Addr().Zone() == "" {
		address, _ := splitHostPort(entry)
		return address
	}
	if strings.HasPrefix(entry, "[") && strings.HasSuffix(entry, "]") {
		entry = entry[1 : len(entry)-1]
	}
	if address, err := netip.ParseAddr(entry); err != nil || address.Zone() != "" {
		return ""
	}
	return entry
}

// scheme returns the scheme that the client used, as far as it is known.
func (m *Middleware) scheme(r *http.Request) string {
	if said := m.forwarded(r, "X-Forwarded-Proto"); strings.EqualFold(said, "https") {
		return "https"
	} else if strings.EqualFold(said, "http") {
		return "http"
	}
	if r.TLS != nil {
		return "https"
	}
	return "http"
}

// host returns the host and perhaps port that the client asked for.
func (m *Middleware) host(r *http.Request) string {
	if said := m.forwarded(r, "X-Forwarded-Host"); said != "" {
		return said
	}
	return r.Host
}

// forwarded returns what the proxies that are ours say in a header: the entry of the outermost, or
// the first if they do not all write one.
func (m *Middleware) forwarded(r *http.Request, name string) string {
	for hop := int(m.cfg.TrustedHops); hop > 0; hop-- {
		if entry := fromEnd(r.Header[name], hop); entry != "" {
			return entry
		}
	}
	return ""
}

// fromEnd returns the n-th entry from the end of a header that is a list, "" if it has fewer.
func fromEnd(values []string, n int) string {
	for i := len(values) - 1; i >= 0; i-- {
		for rest, more := values[i], true; more; n-- {
			comma := strings.LastIndexByte(rest, ',')
			if n == 1 {
				return strings.Trim(rest[comma+1:], " \t")
			}
			if more = comma >= 0; more {
				rest = rest[:comma]
			}
		}
	}
	return ""
}

// splitHostPort splits "host:port", "[v6]:port", and either without a port, without allocation.
// The port is 0 if there is none.
func splitHostPort(hostPort string) (host string, port int) {
	host = hostPort
	if i := strings.LastIndexByte(hostPort, ':'); i >= 0 && !strings.HasSuffix(hostPort, "]") {
		if n, err := strconv.ParseUint(hostPort[i+1:], 10, 16); err == nil {
			port = int(n)
		}
		host = hostPort[:i]
	}
	if strings.HasPrefix(host, "[") {
		host = strings.Trim(host, "[]")
	}
	return host, port
}

// maxQueued is how long a request may have waited in a proxy. A header that says more is wrong.
const maxQueued = time.Minute

// maxStartBytes is longer than any time is.
const maxStartBytes = 32

// startTime returns when our proxy got the request, or zero if it does not say.
func (m *Middleware) startTime(r *http.Request) time.Time {
	if m.cfg.StartHeader == "" {
		return time.Time{}
	}
	text := strings.TrimPrefix(r.Header.Get(m.cfg.StartHeader), "t=")
	number, err := strconv.ParseFloat(text[:min(len(text), maxStartBytes)], 64)
	if err != nil || !(number > 0 && number < 1e21) { // ParseFloat knows NaN and Inf
		return time.Time{}
	}
	for number > 1e11 { // no plausible number of seconds: the unit is smaller
		number /= 1e3
	}
	now := time.Now()
	queued := time.Duration((float64(now.UnixNano())/1e9 - number) * 1e9)
	if queued < 0 || queued > maxQueued {
		return time.Time{}
	}
	return now.Add(-queued) // which keeps the monotonic clock
}
