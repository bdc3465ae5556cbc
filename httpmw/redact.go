package httpmw

import (
	"net/url"
	"strings"
	"unsafe"
)

// redacted stands where a secret was.
const redacted = "REDACTED"

// isSecret reports whether the values of a query key are signatures or credentials that give
// access to whoever reads them. Keys are compared as they are, by the letter.
//
// Spec: OpenTelemetry semantic conventions, url.query,
// https://opentelemetry.io/docs/specs/semconv/registry/attributes/url/#url-query; the last three
// are the older forms of the first and the last.
func isSecret(key string) bool {
	switch key {
	case "X-Amz-Signature", "X-Amz-Credential", "X-Amz-Security-Token", "sig", "X-Goog-Signature",
		"AWSAccessKeyId", "Signature", "X-Goog-Credential":
		return true
	}
	return false
}

// urlRoom is how long a URL may be to fit into its call. Most do.
const urlRoom = 120

// fullURL returns u as url.full has it: absolute, without credentials. The string lives in c.
func (c *call) fullURL(u *url.URL) string {
	b := appendURL(c.url[:0], u)
	return unsafe.String(unsafe.SliceData(b), len(b)) // nobody writes to it again
}

// appendURL appends u without credentials. The opaque part of a URL that has one is left out: it
// may hold some.
func appendURL(dst []byte, u *url.URL) []byte {
	dst = append(append(dst, u.Scheme...), "://"...)
	if u.User != nil {
		dst = append(dst, redacted+":"+redacted+"@"...)
	}
	dst = append(dst, u.Host...)
	if path := u.EscapedPath(); path != "" && u.Opaque == "" {
		if path[0] != '/' {
			dst = append(dst, '/')
		}
		dst = append(dst, path...)
	}
	if u.RawQuery != "" {
		dst = append(append(dst, '?'), redactQuery(u.RawQuery)...)
	}
	return dst
}

// redactQuery returns a query with the values of secret keys replaced. It allocates only if
// there is one.
func redactQuery(query string) string {
	var b strings.Builder
	done := 0 // the query up to here is in b
	for at := 0; at < len(query); {
		end := len(query)
		if i := strings.IndexByte(query[at:], '&'); i >= 0 {
			end = at + i
		}
		if key, value, ok := strings.Cut(query[at:end], "="); ok && value != "" && isSecret(unescape(key)) {
			b.WriteString(query[done : end-len(value)])
			b.WriteString(redacted)
			done = end
		}
		at = end + 1
	}
	if done == 0 {
		return query
	}
	b.WriteString(query[done:])
	return b.String()
}

// unescape returns the key that a server would see: an escaped letter hides no secret.
func unescape(key string) string {
	if strings.IndexByte(key, '%') < 0 {
		return key
	}
	plain, err := url.QueryUnescape(key)
	if err != nil {
		return key
	}
	return plain
}
