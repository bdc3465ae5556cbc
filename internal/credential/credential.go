// Package credential knows by their names which headers and metadata must not be recorded.
package credential

import "strings"

// parts are what names of credentials have in them.
var parts = []string{
	"token", "secret", "password", "passwd", "api-key", "apikey", "access-key", "credential",
	"session", "csrf", "xsrf", "jwt", "signature", "private",
}

// IsName reports whether a header or a metadata key, in lower case, gives access to whoever reads
// its value, or is named as if it did.
func IsName(name string) bool {
	switch name {
	case "authorization", "proxy-authorization", "www-authenticate", "proxy-authenticate",
		"authentication-info", "proxy-authentication-info", "cookie", "cookie2", "set-cookie", "set-cookie2":
		return true
	}
	for _, part := range parts {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}
