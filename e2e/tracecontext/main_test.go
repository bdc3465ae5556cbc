package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meshtrace/meshtrace/span"
)

const (
	callerTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	callerSpan  = "00f067aa0ba902b7"
	caller      = "00-" + callerTrace + "-" + callerSpan + "-01"
)

// traceparentTests say which trace goes on, and with which flags.
//
// Spec: W3C Trace Context Level 2, sections 3.2 and 3.4, https://www.w3.org/TR/trace-context-2/
var traceparentTests = []struct {
	rule  string
	in    http.Header
	flags string // of the caller's trace; "": a trace of the service's own has begun
}{
	{"a caller without a trace", http.Header{}, ""},
	{"the caller's trace goes on", parent(caller), "01"},
	{"and so does one that was not sampled", parent("00-" + callerTrace + "-" + callerSpan + "-00"), "00"},
	{"the random flag is kept", parent("00-" + callerTrace + "-" + callerSpan + "-02"), "02"},
	{"the random flag is kept beside sampled", parent("00-" + callerTrace + "-" + callerSpan + "-03"), "03"},
	{"flags without a meaning are set to zero", parent("00-" + callerTrace + "-" + callerSpan + "-ff"), "03"},
	{"the header's name in upper case", http.Header{"TRACEPARENT": {caller}}, "01"},
	{"the header's name in mixed case", http.Header{"tracePARENT": {caller}}, "01"},
	{"the header's name with a dash in it", http.Header{"Trace-Parent": {caller}}, ""},
	{"two headers that contradict each other", parent(caller, "00-"+callerSpan+callerSpan+"-"+callerSpan+"-01"), ""},
	{"two headers that do not", parent(caller, caller), ""},
	{"a later version", parent("cc-" + callerTrace + "-" + callerSpan + "-01"), "01"},
	{"a later version with more fields", parent("cc-" + callerTrace + "-" + callerSpan + "-01-more"), "01"},
	{"of a later version's flags only sampled is known", parent("cc-" + callerTrace + "-" + callerSpan + "-03"), "01"},
	{"a later version with more, but no dash before it", parent("cc-" + callerTrace + "-" + callerSpan + "-01more"), ""},
	{"version 00 has no more fields", parent(caller + "-more"), ""},
	{"version ff is forbidden", parent("ff-" + callerTrace + "-" + callerSpan + "-01"), ""},
	{"a version of three digits", parent("0" + caller), ""},
	{"a trace ID of zeroes", parent("00-00000000000000000000000000000000-" + callerSpan + "-01"), ""},
	{"a parent ID of zeroes", parent("00-" + callerTrace + "-0000000000000000-01"), ""},
	{"a digit in upper case", parent(strings.ToUpper(caller)), ""},
	{"a trace ID that is too short", parent("00-" + callerTrace[1:] + "-" + callerSpan + "-01"), ""},
	{"a parent ID that is too long", parent("00-" + callerTrace + "-0" + callerSpan + "-01"), ""},
	{"flags of one digit", parent(caller[:len(caller)-1]), ""},
}

func parent(values ...string) http.Header { return http.Header{"Traceparent": values} }

func TestTraceparent(t *testing.T) {
	service := start(t)
	for _, tt := range traceparentTests {
		t.Run(tt.rule, func(t *testing.T) {
			const calls = 3
			seen := make(map[string]bool)
			for _, sent := range service.ask(t, tt.in, calls) {
				got := parse(t, sent)
				seen[got.spanID] = true
				if tt.flags == "" {
					if got.traceID == callerTrace || got.flags != "03" { // sampled here, and random
						t.Errorf("sent %v, want a new trace with flags 03", got)
					}
				} else if got.traceID != callerTrace || got.flags != tt.flags {
					t.Errorf("sent %v, want trace %s with flags %s", got, callerTrace, tt.flags)
				}
			}
			if len(seen) != calls || seen[callerSpan] {
				t.Errorf("%d calls have the parent IDs %v, want one each, and none the caller's", calls, seen)
			}
		})
	}
}

// tracestateTests say what is sent on of the values of tracestate headers.
//
// Spec: W3C Trace Context Level 2, sections 3.3 and 3.5, https://www.w3.org/TR/trace-context-2/
var tracestateTests = []struct {
	rule string
	in   []string
	want string // "": no header
}{
	{"one header", []string{"a=1,b=2"}, "a=1,b=2"},
	{"several headers are one, in their order", []string{"c=1,a=2", "d=3", "b=4,e=5"}, "c=1,a=2,d=3,b=4,e=5"},
	{"an empty header", []string{""}, ""},
	{"an empty header before another", []string{"", "a=1"}, "a=1"},
	{"an empty header behind another", []string{"a=1", ""}, "a=1"},
	{"empty members", []string{"a=1,, ,", "b=2"}, "a=1,b=2"},
	{"white space around members", []string{" a=1 \t,\tb=2", "\tc=3 "}, "a=1,b=2,c=3"},
	{"a value's leading space is part of it", []string{"a= 1", "b=2"}, "a= 1,b=2"},
	{"a key occurs once", []string{"a=1,b=2", "a=3"}, "a=1,b=2"},
	{"32 members", []string{members(1, 20), members(21, 32)}, members(1, 32)},
	{"33 members are no list", []string{members(1, 20), members(21, 33)}, ""},
	{"a key of 256 characters", []string{strings.Repeat("k", 256) + "=1"}, strings.Repeat("k", 256) + "=1"},
	{"a key of 257 characters is none", []string{"a=1", strings.Repeat("k", 257) + "=1"}, ""},
	{"a key may begin with a digit", []string{"0a=1"}, "0a=1"},
	{"a key may have at signs anywhere else", []string{"a@=1,b@@c=2,d@e@f=3"}, "a@=1,b@@c=2,d@e@f=3"},
	{"a key may not begin with an at sign", []string{"@a=1,b=2"}, ""},
	{"a key may not have upper-case letters", []string{"a=1,B=2"}, ""},
	{"a key may not have a space behind it", []string{"a =1"}, ""},
	{"a value may not have an equals sign", []string{"a=1=2"}, ""},
	{"a value may not be empty", []string{"a=,b=2"}, ""},
}

// members returns the members from first to last of a list.
func members(first, last int) string {
	var list []string
	for n := first; n <= last; n++ {
		list = append(list, fmt.Sprintf("m%d=%d", n, n))
	}
	return strings.Join(list, ",")
}

func TestTracestate(t *testing.T) {
	service := start(t)
	for _, tt := range tracestateTests {
		t.Run(tt.rule, func(t *testing.T) {
			sent := service.ask(t, http.Header{"Traceparent": {caller}, "Tracestate": tt.in}, 1)[0]
			if got := parse(t, sent); got.traceID != callerTrace {
				t.Errorf("sent %v, want trace %s: tracestate must not affect traceparent", got, callerTrace)
			}
			var want []string
			if tt.want != "" {
				want = []string{tt.want}
			}
			if diff := cmp.Diff(want, sent.Values("Tracestate")); diff != "" {
				t.Errorf("tracestate (-want +got):\n%s", diff)
			}
		})
		t.Run(tt.rule+", but no traceparent", func(t *testing.T) {
			sent := service.ask(t, http.Header{"Tracestate": tt.in}, 1)[0]
			if state := sent.Values("Tracestate"); state != nil {
				t.Errorf("sent tracestate %q, want none", state)
			}
		})
	}
}

func TestCallsArePostedAsTheyAre(t *testing.T) {
	service := start(t)
	want := `[{"url": "http://127.0.0.1/",  "arguments": []}]`
	status := service.post(t, nil, fmt.Sprintf(`[{"url": %q, "arguments": %s}]`, service.callback, want))
	calls := service.take()
	if status != http.StatusOK || len(calls) != 1 || calls[0].body != want {
		t.Errorf("status %d, calls %v; want one with the body %s", status, calls, want)
	}
}

func TestFailuresAreTold(t *testing.T) {
	service := start(t)
	if got := service.post(t, nil, `{`); got != http.StatusBadRequest {
		t.Errorf("what is no list of calls: status %d, want 400", got)
	}
	if got := service.post(t, nil, `[{"url": "nowhere:"}]`); got != http.StatusBadGateway {
		t.Errorf("a call that cannot be made: status %d, want 502", got)
	}
}

func TestListensOnLoopbackOnly(t *testing.T) {
	l, err := listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	for _, address := range []string{"", ":0", "0.0.0.0:0", "[::]:0", "192.0.2.1:0", "127.0.0.1"} {
		if l, err := listen(address); err == nil {
			t.Errorf("listens on %v for %q, want an error", l.Addr(), address)
			l.Close()
		}
	}
}

// service is a running service, and the place that it is told to call.
type service struct {
	url, callback string

	mu    sync.Mutex
	calls []received
}

// received is what has come by a call.
type received struct {
	header http.Header
	body   string
}

func start(t *testing.T) *service {
	t.Helper()
	provider, err := span.NewProvider(span.Config{})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(newService(provider))
	t.Cleanup(server.Close)
	s := &service{url: server.URL + "/test"}
	callback := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.calls = append(s.calls, received{r.Header, string(body)})
	}))
	t.Cleanup(callback.Close)
	s.callback = callback.URL
	return s
}

// take returns the calls that have come, and forgets them.
func (s *service) take() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := s.calls
	s.calls = nil
	return calls
}

// ask has the service make so many calls for a request with the given headers, and returns theirs.
func (s *service) ask(t *testing.T, in http.Header, calls int) []http.Header {
	t.Helper()
	list := make([]call, calls)
	for i := range list {
		list[i] = call{URL: s.callback, Arguments: json.RawMessage("[]")}
	}
	body, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	status := s.post(t, in, string(body))
	made := s.take()
	if status != http.StatusOK || len(made) != calls {
		t.Fatalf("status %d, %d calls; want 200 and %d", status, len(made), calls)
	}
	var sent []http.Header
	for _, c := range made {
		sent = append(sent, c.header)
	}
	return sent
}

// post posts body to the service, with the given headers, and returns the status of the response.
func (s *service) post(t *testing.T, in http.Header, body string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range in {
		req.Header[name] = values // not Set, which would change the name
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// traceparent is what a header says.
type traceparent struct{ traceID, spanID, flags string }

// parse takes the one traceparent of version 00 apart that is to be among headers.
func parse(t *testing.T, sent http.Header) traceparent {
	t.Helper()
	values := sent.Values("Traceparent")
	if len(values) != 1 {
		t.Fatalf("sent %d traceparent headers %q, want one", len(values), values)
	}
	fields := strings.Split(values[0], "-")
	if len(fields) != 4 || len(values[0]) != len(caller) || fields[0] != "00" {
		t.Fatalf("sent traceparent %q, want one of version 00", values[0])
	}
	return traceparent{fields[1], fields[2], fields[3]}
}
