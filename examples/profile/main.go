package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"time"
)

// patience bounds how long delivery may take, should an endpoint be down.
const patience = 5 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run returns the exit code: 0, 1 if something failed, or 2 if the flags are wrong.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	s, err := parseFlags(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return 2
	}
	if err := tell(ctx, s, stdout); err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	return 0
}

// A story is a mesh, the requests that come from outside, and what is to be told of them.
type story struct {
	settings
	mesh     *mesh
	received *collector // nil: the spans go elsewhere
	stdout   io.Writer
}

// tell runs the story that s describes.
func tell(ctx context.Context, s settings, stdout io.Writer) (err error) {
	t := story{settings: s, stdout: stdout}
	if s.endpoint == "" {
		if t.received, err = startCollector(); err != nil {
			return err
		}
		defer t.received.close()
		t.endpoint, t.proxyEndpoint = t.received.url(), t.received.url()
	}
	if t.mesh, err = startServices(ctx, t.settings); err != nil {
		return err
	}
	answers, err := ask(ctx, t.mesh, t.settings)
	if err == nil && t.serve {
		err = t.serveUntilInterrupted(ctx, answers)
	}
	if err := errors.Join(err, patiently(ctx, t.mesh.close)); err != nil || t.serve {
		return err
	}
	t.report(answers)
	return nil
}

// patiently calls deliver, which has its time even if ctx was interrupted.
func patiently(ctx context.Context, deliver func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	return deliver(ctx)
}

// An answer is what the outside sees of a request.
type answer struct {
	status  int
	traceID string // "" if it was not sampled
}

// ask sends the requests, each for another user's profile.
func ask(ctx context.Context, m *mesh, s settings) (answers []answer, err error) {
	transport := throughAddr(m.pods["frontend"].in.Addr().String())
	defer transport.CloseIdleConnections()
	browser := &http.Client{Transport: transport}
	for i := range s.requests {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://frontend/profile/%d", i+1), nil)
		if err != nil {
			return nil, err
		}
		req.Header = s.outside.Clone()
		resp, err := browser.Do(req)
		if err != nil {
			return nil, err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if err != nil {
			return nil, err
		}
		if resp.StatusCode != http.StatusOK && !s.fail {
			return nil, fmt.Errorf("profile: the frontend answered %s", resp.Status)
		}
		answers = append(answers, answer{resp.StatusCode, resp.Header.Get("Trace-Id")})
	}
	return answers, nil
}

// report says what was sampled, and shows one trace of it.
func (t *story) report(answers []answer) {
	sampled := sampledOf(answers)
	switch {
	case len(sampled) == 0 && t.mesh.pods["frontend"].tracing.Stats().Started == 0:
		fmt.Fprintf(t.stdout, "nothing was recorded of %s, as the environment says\n", count(len(answers), "request"))
	case len(sampled) == 0 && t.traceparent == "":
		fmt.Fprintf(t.stdout, "nothing was sampled of %s (-sample %g)\n", count(len(answers), "request"), t.percent)
	case len(sampled) == 0:
		fmt.Fprintf(t.stdout, "nothing was sampled of %s, as -traceparent says\n", count(len(answers), "request"))
	case t.received == nil:
		fmt.Fprintf(t.stdout, "%s, %s sent to %s\n", count(len(answers), "request"), count(len(sampled), "trace"), t.endpoint)
		fmt.Fprintf(t.stdout, "the proxies' spans went to %s; a proxy does not look whether they arrive\n", t.proxyEndpoint)
		for _, a := range sampled[:min(len(sampled), 10)] {
			fmt.Fprintf(t.stdout, "trace %s, status %d\n", a.traceID, a.status)
		}
	default:
		if len(answers) > 1 {
			fmt.Fprintf(t.stdout, "%s, %d of them sampled; one of these is\n", count(len(answers), "request"), len(sampled))
		}
		t.show(choose(sampled).traceID)
	}
}

func sampledOf(answers []answer) (sampled []answer) {
	for _, a := range answers {
		if a.traceID != "" {
			sampled = append(sampled, a)
		}
	}
	return sampled
}

// choose returns the first answer that is an error, or just the first.
func choose(answers []answer) answer {
	for _, a := range answers {
		if a.status >= http.StatusInternalServerError {
			return a
		}
	}
	return answers[0]
}

func (t *story) show(traceID string) {
	fmt.Fprintf(t.stdout, "trace %s\n\n", traceID)
	newWaterfall(t.received.trace(traceID), isTerminal(t.stdout)).print(t.stdout)
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// serveUntilInterrupted reports, leaves the mesh to others, and in the end shows their last trace.
func (t *story) serveUntilInterrupted(ctx context.Context, answers []answer) error {
	if err := patiently(ctx, t.mesh.flush); err != nil {
		return err
	}
	t.report(answers)
	var before string
	if t.received != nil {
		before = t.received.latest()
	}
	fmt.Fprintf(t.stdout, "\nserving %s/profile/1 until interrupted\n", t.mesh.url())
	<-ctx.Done()
	err := patiently(ctx, t.mesh.flush)
	if t.received != nil && t.received.latest() != before {
		t.show(t.received.latest())
	}
	return err
}
