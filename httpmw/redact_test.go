package httpmw_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/meshtrace/meshtrace/httpmw"
)

var queryTests = []struct{ rule, query, want string }{
	{"nothing secret", "a=b&c=d", "a=b&c=d"},
	{"the value of a secret key", "sig=s", "sig=REDACTED"},
	{"among others", "a=b&sig=s&c=d", "a=b&sig=REDACTED&c=d"},
	{"several", "sig=s&X-Amz-Signature=t&AWSAccessKeyId=u&X-Amz-Credential=v&X-Goog-Signature=w&X-Amz-Security-Token=x", "sig=REDACTED&X-Amz-Signature=REDACTED&AWSAccessKeyId=REDACTED&X-Amz-Credential=REDACTED&X-Goog-Signature=REDACTED&X-Amz-Security-Token=REDACTED"},
	{"twice", "sig=s&sig=t", "sig=REDACTED&sig=REDACTED"},
	{"keys are compared by the letter", "SIG=s", "SIG=s"},
	{"and as a whole", "sigma=s&asig=t", "sigma=s&asig=t"},
	{"an escaped key", "%73ig=s", "%73ig=REDACTED"},
	{"a key that cannot be unescaped", "%zzig=s", "%zzig=s"},
	{"no value", "sig&a=b", "sig&a=b"},
	{"an empty value", "sig=&a=b", "sig=&a=b"},
	{"a value with an equals sign", "sig=a=b", "sig=REDACTED"},
	{"empty parts", "&&sig=s&&", "&&sig=REDACTED&&"},
	{"a key of one's own", "mine=s", "mine=REDACTED"},
}

func TestQuery(t *testing.T) {
	for _, tt := range queryTests {
		t.Run(tt.rule, func(t *testing.T) {
			if got := redactServer(t, tt.query); got != tt.want {
				t.Errorf("server: %q, want %q", got, tt.want)
			}
			if got := redactClient(t, tt.query); got != "http://example.com/?"+tt.want {
				t.Errorf("client: %q, want …?%q", got, tt.want)
			}
		})
	}
}

func redactServer(t *testing.T, query string) string {
	r := httptest.NewRequest("GET", "/", nil)
	r.URL.RawQuery = query
	return serverAttrs(t, httpmw.Config{SecretQueryKeys: []string{"mine"}}, r)["url.query"]
}

func redactClient(t *testing.T, query string) string {
	tp, spans := ours(t, nil)
	r := request(t, "GET", "http://example.com/")
	r.URL.RawQuery = query
	httpmw.NewTransport(respond(200, http.NoBody), httpmw.ClientConfig{TracerProvider: tp, SecretQueryKeys: []string{"mine"}}).RoundTrip(r)
	return attrs(spans.one(t))["url.full"]
}

func TestOmitQuery(t *testing.T) {
	if got, ok := serverAttrs(t, httpmw.Config{OmitQuery: true}, httptest.NewRequest("GET", "/?a=b", nil))["url.query"]; ok {
		t.Errorf("url.query %q", got)
	}
}

// redacted is the slow, obvious way to redact.
func redacted(query string) string {
	parts := strings.Split(query, "&")
	for i, part := range parts {
		key, value, found := strings.Cut(part, "=")
		plain, err := url.QueryUnescape(key)
		if err != nil {
			plain = key
		}
		switch plain {
		case "X-Amz-Signature", "X-Amz-Credential", "X-Amz-Security-Token", "sig", "X-Goog-Signature", "AWSAccessKeyId", "Signature", "X-Goog-Credential", "mine":
			if found && value != "" {
				parts[i] = key + "=REDACTED"
			}
		}
	}
	return strings.Join(parts, "&")
}

func FuzzQuery(f *testing.F) {
	for _, tt := range queryTests {
		f.Add(tt.query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		if query == "" || strings.Contains(query, "+") { // a plus in a key is a space, which no secret key has
			return
		}
		if got, want := redactServer(t, query), redacted(query); got != want && strings.ToValidUTF8(want, "\uFFFD") != got {
			t.Errorf("%q: got %q, want %q", query, got, want)
		}
	})
}

func TestFullURL(t *testing.T) {
	for _, tt := range []struct {
		rule string
		url  url.URL
		want string
	}{
		{"a path is escaped", url.URL{Scheme: "http", Host: "h", Path: "/a b/ü"}, "http://h/a%20b/%C3%BC"},
		{"as the caller escaped it", url.URL{Scheme: "http", Host: "h", Path: "/a/b", RawPath: "/a%2fb"}, "http://h/a%2fb"},
		{"a path without a slash", url.URL{Scheme: "http", Host: "h", Path: "a"}, "http://h/a"},
		{"a user without a password", url.URL{Scheme: "http", Host: "h", User: url.User("u")}, "http://REDACTED:REDACTED@h"},
		{"an opaque part may hold anything", url.URL{Scheme: "http", Host: "h", Opaque: "//u:secret@h/p", Path: "/p"}, "http://h"},
		{"a fragment is not sent", url.URL{Scheme: "http", Host: "h", Path: "/", Fragment: "f"}, "http://h/"},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			tp, spans := ours(t, nil)
			httpmw.NewTransport(respond(200, http.NoBody), httpmw.ClientConfig{TracerProvider: tp}).RoundTrip(&http.Request{URL: &tt.url, Header: http.Header{}})
			if got := attrs(spans.one(t))["url.full"]; got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// TestManyURLs checks that strings which share memory stay what they are.
func TestManyURLs(t *testing.T) {
	tp, spans := ours(t, nil)
	rt := httpmw.NewTransport(respond(200, http.NoBody), httpmw.ClientConfig{TracerProvider: tp})
	var want []string
	for i := range 1000 {
		u := "http://example.com/" + strings.Repeat(string(rune('a'+i%26)), i%600)
		want = append(want, u)
		rt.RoundTrip(request(t, "GET", u))
	}
	for i, s := range spans.Ended() {
		if got := attrs(s)["url.full"]; got != want[i] {
			t.Fatalf("the %d-th URL became %q, want %q", i, got, want[i])
		}
	}
}
