package credential_test

import (
	"testing"

	"github.com/meshtrace/meshtrace/internal/credential"
)

func TestIsName(t *testing.T) {
	for name, want := range map[string]bool{
		"authorization":        true,
		"proxy-authorization":  true,
		"cookie":               true,
		"set-cookie2":          true,
		"x-api-key":            true,
		"x-amz-security-token": true,
		"x-csrf":               true,
		"my-jwt":               true,
		"session-id":           true,
		"private":              true,
		"traceparent":          false,
		"x-request-id":         false,
		"content-type":         false,
		"authority":            false,
		"tenant":               false,
		"l5d-client-id":        false,
	} {
		if got := credential.IsName(name); got != want {
			t.Errorf("IsName(%q) = %v", name, got)
		}
	}
}
