package httpmw

import (
	"net/url"
	"slices"
	"strings"
)

// redacted stands where a secret was.
const redacted = "REDACTED"

// secrets are query parameters whose values must not get where spans go, beside the known ones.
type secrets []string

func newSecrets(keys []string) secrets { return slices.Clone(keys) }

// has reports whether the values of a query key are signatures or credentials, which give access
// to whoever reads them. Keys are compared by the letter.
//
// Spec: OpenTelemetry semantic conventions, url.query,
// https://opentelemetry.io/docs/specs/semconv/registry/attributes/url/#url-query; the last line
// are older forms and companions of those.
func (s secrets) has(key string) bool {
	switch key {
	case "X-Amz-Signature", "X-Amz-Credential", "X-Amz-Security-Token", "sig", "X-Goog-Signature",
		"AWSAccessKeyId", "Signature", "X-Goog-Credential":
		return true
	}
	return slices.Contains(s, key)
}

// redact returns a query with the values of secret keys replaced. It allocates only if there is
// one, or an escaped key.
func (s secrets) redact(query string) string {
	var b strings.Builder
	done := 0 // the query up to here is in b
	for at := 0; at < len(query); {
		end := len(query)
		if i := strings.IndexByte(query[at:], '&'); i >= 0 {
			end = at + i
		}
		if key, value, ok := strings.Cut(query[at:end], "="); ok && value != "" && s.has(unescape(key)) {
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

// fullURL returns u as url.full has it: absolute, without credentials.
func (s secrets) fullURL(u *url.URL) string {
	t := texts.Get()
	defer texts.Put(t)
	return t.end(s.appendURL(t.begin(), u))
}

// appendURL appends u without credentials. The opaque part of a URL that has one is left out: it
// may hold some.
func (s secrets) appendURL(dst []byte, u *url.URL) []byte {
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
		dst = append(append(dst, '?'), s.redact(u.RawQuery)...)
	}
	return dst
}
