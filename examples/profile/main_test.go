package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	otelpropagation "go.opentelemetry.io/otel/propagation"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"go.uber.org/goleak"

	"github.com/meshtrace/meshtrace/propagation"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	outsideTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	outsideSpan  = "00f067aa0ba902b7"
)

// The chains that the stories are to make, each span the child of the one before.
var (
	fromFrontend = []string{
		"frontend server GET /profile/{id}",
		"frontend client GET",
		"frontend (proxy out) server /users/1",
		"frontend (proxy out) client /users/1",
		"user-service (proxy in) server /users/1",
		"user-service (proxy in) client /users/1",
		"user-service server GET /users/{id}",
		"user-service client profile.v1.ProfileService/GetProfile",
		"user-service (proxy out) server /profile.v1.ProfileService/GetProfile",
		"user-service (proxy out) client /profile.v1.ProfileService/GetProfile",
		"profile-service (proxy in) server /profile.v1.ProfileService/GetProfile",
		"profile-service (proxy in) client /profile.v1.ProfileService/GetProfile",
		"profile-service server profile.v1.ProfileService/GetProfile",
	}
	fromOutside = append([]string{
		"frontend (proxy in) server /profile/1",
		"frontend (proxy in) client /profile/1",
	}, fromFrontend...)
)

// play runs the story of the given flags, and returns the spans of the trace that it would show.
func play(t *testing.T, args ...string) (spans []span, answers []answer) {
	t.Helper()
	s, err := parseFlags(args, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return playSettings(t, s)
}

func playSettings(t *testing.T, s settings) (spans []span, answers []answer) {
	t.Helper()
	received, err := startCollector()
	if err != nil {
		t.Fatal(err)
	}
	defer received.close()
	s.endpoint, s.proxyEndpoint = received.url(), received.url()
	m, err := startServices(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if answers, err = ask(t.Context(), m, s); err != nil {
		t.Fatal(err)
	}
	if err := m.close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if sampled := sampledOf(answers); len(sampled) > 0 {
		spans = received.trace(choose(sampled).traceID)
	} else if id := received.latest(); id != "" {
		t.Errorf("trace %s was received, though no answer names it", id)
	}
	return spans, answers
}

// chain follows the spans from the top, and fails the test where they are no chain.
func chain(t *testing.T, spans []span) (links []string) {
	t.Helper()
	f := newWaterfall(spans, false)
	if !isChain(f) {
		t.Errorf("the spans are no chain:\n%s", printed(spans, false))
	}
	for _, r := range f.rows {
		links = append(links, label(r.span)+" "+kind(r.span)+" "+r.Name)
	}
	return links
}

func TestStories(t *testing.T) {
	for _, tt := range []struct {
		rule   string
		args   []string
		want   []string
		parent string // of the first span, in hex
	}{
		{"the frontend starts the trace: 13 spans", nil, fromFrontend, ""},
		{"a traceparent from outside: 15 spans", []string{"-traceparent", "00-" + outsideTrace + "-" + outsideSpan + "-01"}, fromOutside, outsideSpan},
		{"a traceparent from outside outranks the percentage", []string{"-sample", "0", "-traceparent", "00-" + outsideTrace + "-" + outsideSpan + "-01"}, fromOutside, outsideSpan},
		{"services that speak B3 behind proxies that do", []string{"-propagation", "b3"}, fromFrontend, ""},
		{"B3 from outside: 15 spans", []string{"-propagation", "b3", "-traceparent", "00-" + outsideTrace + "-" + outsideSpan + "-01"}, fromOutside, outsideSpan},
		{"errors break no chain", []string{"-fail"}, fromFrontend, ""},
		{"nothing is sampled at 0 percent", []string{"-sample", "0", "-requests", "5"}, nil, ""},
		{"nothing is sampled where the outside says so", []string{"-traceparent", "00-" + outsideTrace + "-" + outsideSpan + "-00"}, nil, ""},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			spans, _ := play(t, tt.args...)
			if diff := cmp.Diff(tt.want, chain(t, spans)); diff != "" {
				t.Fatalf("chain (-want +got):\n%s", diff)
			}
			if len(spans) == 0 {
				return
			}
			if top := newWaterfall(spans, false).rows[0]; hex16(top.ParentSpanId) != tt.parent {
				t.Errorf("the first span is the child of %q, want %q", hex16(top.ParentSpanId), tt.parent)
			}
			if id := hex16(spans[0].TraceId); tt.parent != "" && id != outsideTrace {
				t.Errorf("the trace is %s, want %s", id, outsideTrace)
			}
		})
	}
}

// Services that write two formats have them rewritten in one of them only. Reading the other first
// cuts the proxies out: the services' spans are then linked past them.
func TestOrderOfReading(t *testing.T) {
	w3c, b3 := propagation.TraceContext{}, propagation.B3{}
	for _, tt := range []struct {
		rule  string
		order []otelpropagation.TextMapPropagator
		whole bool
	}{
		{"the proxies' order keeps them in", []otelpropagation.TextMapPropagator{w3c, b3}, true},
		{"B3 first cuts them out", []otelpropagation.TextMapPropagator{b3, w3c}, false},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			s, err := parseFlags(nil, io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			s.propagator = propagation.New(propagation.Config{Extract: tt.order, Inject: tt.order})
			spans, _ := playSettings(t, s)
			if len(spans) != len(fromFrontend) {
				t.Fatalf("%d spans, want %d", len(spans), len(fromFrontend))
			}
			if got := isChain(newWaterfall(spans, false)); got != tt.whole {
				t.Errorf("the spans are a chain: %t, want %t\n%s", got, tt.whole, printed(spans, false))
			}
		})
	}
}

func isChain(f *waterfall) bool {
	for i, r := range f.rows {
		if i > 0 && !bytes.Equal(r.ParentSpanId, f.rows[i-1].SpanId) {
			return false
		}
	}
	return true
}

func TestFailuresAreErrors(t *testing.T) {
	spans, answers := play(t, "-fail", "-requests", "4")
	for i, a := range answers {
		if want := []int{502, 200}[i%2]; a.status != want {
			t.Errorf("request %d has status %d, want %d", i+1, a.status, want)
		}
	}
	for _, s := range spans {
		isProxy, isGRPC := attribute(s.Attributes, "direction") != "", strings.Contains(s.Name, "ProfileService")
		if failed(s) == isProxy {
			t.Errorf("%s %s: status %v", label(s), kind(s), s.Status)
		}
		if isProxy && s.Status.GetCode() != tracepb.Status_STATUS_CODE_UNSET {
			t.Errorf("%s says status %v", label(s), s.Status)
		}
		want := "502"
		switch {
		case isGRPC && isProxy: // it does not see what is in a trailer
			want = "200"
		case isGRPC:
			want = "DATA_LOSS"
		}
		if got := statusCode(s); got != want {
			t.Errorf("%s %s has the status %s, want %s", label(s), kind(s), got, want)
		}
	}
}

// runProfile runs the program and returns what it prints.
func runProfile(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs strings.Builder
	code = run(t.Context(), args, &out, &errs)
	return code, out.String(), errs.String()
}

func TestOutput(t *testing.T) {
	for _, tt := range []struct {
		rule string
		args []string
		want string // of the whole output
	}{
		{"one request", nil, `(?s)^trace [0-9a-f]{32}\n\nservice .*\n\n13 spans, 3 services, \d+\.\d ms\n$`},
		{"a trace from outside", []string{"-traceparent", "00-" + outsideTrace + "-" + outsideSpan + "-01"}, `(?s)^trace ` + outsideTrace + `\n\n.*\n\n15 spans, 3 services, \d+\.\d ms\n$`},
		{"many requests", []string{"-requests", "3"}, `(?s)^3 requests, 3 of them sampled; one of these is\ntrace .*\n13 spans, 3 services, .*$`},
		{"errors are marked", []string{"-fail"}, `(?m)^ +└ profile-service +profile\.v1\.ProfileService/GetProfile +server .* ! DATA_LOSS: the profile is lost$`},
		{"nothing sampled", []string{"-sample", "0"}, `^nothing was sampled of 1 request \(-sample 0\)\n$`},
		{"nothing sampled because of the outside", []string{"-traceparent", "00-" + outsideTrace + "-" + outsideSpan + "-00"},
			`^nothing was sampled of 1 request, as -traceparent says\n$`},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			code, stdout, stderr := runProfile(t, tt.args...)
			if code != 0 || stderr != "" {
				t.Errorf("exit code %d, stderr %q", code, stderr)
			}
			if !regexp.MustCompile(tt.want).MatchString(stdout) {
				t.Errorf("printed\n%swant %s", stdout, tt.want)
			}
			if strings.Contains(stdout, "\x1b") {
				t.Error("there is colour, but no terminal")
			}
		})
	}
}

// Who has switched tracing off is not told that a flag did.
func TestSwitchedOffByTheEnvironment(t *testing.T) {
	for name, value := range map[string]string{"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_EXPORTER": "none"} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, value)
			code, stdout, stderr := runProfile(t)
			if want := "nothing was recorded of 1 request, as the environment says\n"; code != 0 || stdout != want {
				t.Errorf("exit code %d, stderr %q, printed\n%swant %s", code, stderr, stdout, want)
			}
		})
	}
}

func TestEndpoint(t *testing.T) {
	received, err := startCollector()
	if err != nil {
		t.Fatal(err)
	}
	defer received.close()
	code, stdout, stderr := runProfile(t, "-endpoint", strings.TrimSuffix(received.url(), "/v1/traces"))
	id := received.latest()
	if code != 0 || !strings.Contains(stdout, "1 request, 1 trace sent to ") || !strings.Contains(stdout, "trace "+id+", status 200\n") {
		t.Errorf("exit code %d, stderr %q, printed\n%s", code, stderr, stdout)
	}
	if spans := received.trace(id); len(spans) != 13 {
		t.Errorf("%d spans were sent, want 13", len(spans))
	}
}

func TestServe(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	output, stdout := io.Pipe()
	code := make(chan int, 1)
	go func() {
		defer stdout.Close()
		code <- run(ctx, []string{"-serve"}, stdout, io.Discard)
	}()
	lines := bufio.NewScanner(output)
	var counts []string
	for lines.Scan() {
		if url, ok := strings.CutPrefix(lines.Text(), "serving "); ok {
			browser := &http.Client{Transport: new(http.Transport)}
			if err := visit(t.Context(), browser, strings.TrimSuffix(url, " until interrupted")); err != nil {
				t.Error(err)
			}
			browser.CloseIdleConnections()
			interrupt()
		}
		if strings.HasPrefix(lines.Text(), "13 spans, 3 services, ") {
			counts = append(counts, lines.Text())
		}
	}
	if got := <-code; got != 0 || len(counts) != 2 {
		t.Errorf("exit code %d, %d traces, want 0 and 2", got, len(counts))
	}
}

// visit returns an error unless the answer to a GET request is 200.
func visit(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, resp.Status)
	}
	return nil
}
