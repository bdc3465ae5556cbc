package exporter

// The endpoint setting: a URL whose scheme says which protocol is spoken.

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"
)

// destination is where spans go, and in which protocol.
type destination struct {
	url      url.URL // http or https, without user information
	user     *url.Userinfo
	protocol protocol
}

// scheme is what a scheme stands for.
type scheme struct {
	transport string // http or https
	port      string // default; empty: the transport's own
	path      string // default
	protocol  protocol
}

var schemes = map[string]scheme{
	"http":         {"http", "", "/v1/traces", otlp{}},
	"https":        {"https", "", "/v1/traces", otlp{}},
	"jaeger+http":  {"http", "14268", "/api/traces", jaegerThrift{}},
	"jaeger+https": {"https", "14268", "/api/traces", jaegerThrift{}},
}

// parseEndpoint reads the setting. Its error shows the endpoint without credentials.
func parseEndpoint(endpoint string) (destination, error) {
	invalid := func(rule string) (destination, error) {
		return destination{}, fmt.Errorf("exporter: Endpoint %q: %s", withoutUser(endpoint), rule)
	}
	u, err := url.Parse(endpoint)
	if err != nil {
		return invalid("must be a URL")
	}
	s, ok := schemes[u.Scheme]
	if !ok {
		return invalid("the scheme must be one of " + strings.Join(slices.Sorted(maps.Keys(schemes)), ", "))
	}
	if u.Hostname() == "" {
		return invalid("must name a host")
	}
	if u.Fragment != "" {
		return invalid("must not have a fragment")
	}
	d := destination{url: *u, user: u.User, protocol: s.protocol}
	d.url.Scheme, d.url.User = s.transport, nil
	if u.Port() == "" && s.port != "" {
		d.url.Host = net.JoinHostPort(u.Hostname(), s.port)
	}
	if u.Path == "" || u.Path == "/" {
		d.url.Path = s.path
	}
	return d, nil
}

// shown returns the address as errors show it. A query may hold a key, so it is left out.
func (d destination) shown() string {
	u := d.url
	u.RawQuery = ""
	return u.String()
}

// withoutUser returns endpoint without user information, even if it is no valid URL.
func withoutUser(endpoint string) string {
	before, rest, ok := strings.Cut(endpoint, "://")
	if !ok {
		before, rest = "", endpoint
	} else {
		before += "://"
	}
	authority, path, _ := strings.Cut(rest, "/")
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		authority, path = rest[at+1:], ""
		authority, path, _ = strings.Cut(authority, "/")
	}
	shown := before + authority
	if path != "" {
		shown += "/" + path
	}
	return shown[:min(len(shown), 64)]
}

func basicAuth(user *url.Userinfo) string {
	password, _ := user.Password()
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user.Username()+":"+password))
}

// validHeaderKey reports whether key is a token.
//
// Spec: RFC 9110, section 5.6.2, https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2
func validHeaderKey(key string) bool {
	for _, c := range []byte(key) {
		switch {
		case '0' <= c && c <= '9', 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z':
		case strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0:
		default:
			return false
		}
	}
	return key != ""
}

// validHeaderValue reports whether value has no control characters, which could end the header.
func validHeaderValue(value string) bool {
	for _, c := range []byte(value) {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
