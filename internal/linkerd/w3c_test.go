package linkerd_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/meshtrace/meshtrace/internal/linkerd"
)

var w3cTests = []headerTest{
	{rule: "00-T-S-01", in: traceparent("00-" + tid + "-" + sid + "-01"), out: traceparent("00-" + tid + "-?-01"), span: sampled},
	{rule: "00-T-S-00 has no span but is changed", in: traceparent("00-" + tid + "-" + sid + "-00"), out: traceparent("00-" + tid + "-?-00")},
	{rule: "00-T-S-03 keeps its flags", in: traceparent("00-" + tid + "-" + sid + "-03"), out: traceparent("00-" + tid + "-?-03"), span: sampled},
	{rule: "all flags are preserved", in: traceparent("00-" + tid + "-" + sid + "-fe"), out: traceparent("00-" + tid + "-?-fe")},
	{rule: "00-T-S-0100: the first byte of the flags", in: traceparent("00-" + tid + "-" + sid + "-0100"), out: traceparent("00-" + tid + "-?-01"), span: sampled},
	{rule: "00-T-S-0001: the first byte of the flags", in: traceparent("00-" + tid + "-" + sid + "-0001"), out: traceparent("00-" + tid + "-?-00")},
	{rule: "upper case", in: traceparent("00-" + tidUpper + "-" + sidUpper + "-01"), out: traceparent("00-" + tid + "-?-01"), span: sampled},
	{rule: "00-abcd-12-01: short IDs are padded", in: traceparent("00-abcd-12-01"),
		out: traceparent("00-0000000000000000000000000000abcd-?-01"), span: "0000000000000000000000000000abcd 0000000000000012"},
	{rule: "a long trace ID goes on but its span is lost", in: traceparent("00-" + tid + "ff-" + sid + "-01"), out: traceparent("00-" + tid + "ff-?-01")},
	{rule: "a long parent ID is replaced but its span is lost", in: traceparent("00-" + tid + "-" + sid + "ff-01"), out: traceparent("00-" + tid + "-?-01"),
		clientOnly: true},
	{rule: "01-T-S-01", in: traceparent("01-" + tid + "-" + sid + "-01")},
	{rule: "cc-T-S-01-x", in: traceparent("cc-" + tid + "-" + sid + "-01-x")},
	{rule: "00-T-S-01-x", in: traceparent("00-" + tid + "-" + sid + "-01-x")},
	{rule: "00-0..0-S-01", in: traceparent("00-" + zeroTID + "-" + sid + "-01")},
	{rule: "00-T-0..0-01", in: traceparent("00-" + tid + "-" + zeroSID + "-01")},
	{rule: "00-00-S-01: zero of any length", in: traceparent("00-00-" + sid + "-01")},
	{rule: "00--S-01", in: traceparent("00--" + sid + "-01")},
	{rule: "00-T-S-1", in: traceparent("00-" + tid + "-" + sid + "-1")},
	{rule: "00-T-S", in: traceparent("00-" + tid + "-" + sid)},
	{rule: "00-T-S-zz", in: traceparent("00-" + tid + "-" + sid + "-zz")},
	{rule: "an odd number of digits", in: traceparent("00-abc-" + sid + "-01")},
	{rule: "a trace ID that is not hex", in: traceparent("00-xy-" + sid + "-01")},
	{rule: "an empty value", in: traceparent("")},
	{rule: " 00-T-S-01 on HTTP/2", in: []string{"Traceparent:  00-" + tid + "-" + sid + "-01"}, http2Only: true},
	{rule: "a value beyond ASCII counts as absent", in: traceparent("00-" + tid + "-" + sid + "-01é")},
	{rule: "the first of several counts and replaces all",
		in:  append(traceparent("00-"+tid+"-"+sid+"-01"), traceparent("00-abcd-12-00")...),
		out: traceparent("00-" + tid + "-?-01"), span: sampled},
	{rule: "a first that is wrong hides the others", in: append(traceparent("junk"), traceparent("00-"+tid+"-"+sid+"-01")...)},
}

func TestTraceparent(t *testing.T) { testHeaders(t, linkerd.Modern, w3cTests) }

func TestEmptyFlagsDropTheConnection(t *testing.T) {
	for _, version := range []int{1, 2} {
		t.Run(fmt.Sprintf("HTTP/%d", version), func(t *testing.T) {
			p := startPod(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), linkerd.Config{})
			client := newClient(t, version, p.inbound)
			req, err := http.NewRequestWithContext(t.Context(), "POST", "http://pod/x", strings.NewReader("x"))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Traceparent", "00-"+tid+"-"+sid+"-")
			if resp, err := client.Do(req); err == nil {
				resp.Body.Close()
				t.Errorf("answered with status %d, want no answer", resp.StatusCode)
			}
			if status := get(t, client, "http://pod/x", nil); status != http.StatusOK {
				t.Errorf("the next request: status %d", status)
			}
			if spans := p.flushed(t); len(spans) != 0 {
				t.Errorf("%d spans, want none", len(spans))
			}
		})
	}
}

var (
	accepted = regexp.MustCompile(`^00-((?:[0-9a-fA-F]{2})+)-((?:[0-9a-fA-F]{2})+)-(?:[0-9a-fA-F]{2})+$`)
	zero     = regexp.MustCompile(`^0*$`)
)

// recorded is the slow reference: whether a traceparent makes a span that can be exported.
func recorded(value string) bool {
	m := accepted.FindStringSubmatch(value)
	if m == nil || zero.MatchString(m[1]) || zero.MatchString(m[2]) || len(m[1]) > 32 || len(m[2]) > 16 {
		return false
	}
	flags := value[strings.LastIndexByte(value, '-')+1:]
	return strings.ContainsAny(flags[1:2], "13579bdfBDF") // bit 0 of the first byte
}
