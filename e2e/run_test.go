package e2e_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/meshtrace/meshtrace/e2e/internal/jaegertest"
)

// An example is an executable of examples/profile.
type example string

// buildProfile builds the example, as a user would.
func buildProfile(t *testing.T) example {
	t.Helper()
	path := filepath.Join(t.TempDir(), "profile")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", path, "./examples/profile")
	cmd.Dir = ".."
	cmd.Env = append(cmd.Environ(), "GOWORK=off")
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the example: %v\n%s", err, output)
	}
	return example(path)
}

// A run is what the example said of one run.
type run struct {
	output   string
	pid      int
	sampled  int      // traces
	traceIDs []string // of the first ones, in the order of the requests
}

// The lines of the example's output that count.
var (
	sampledLine = regexp.MustCompile(`(?m)^\d+ requests?, (\d+) traces? sent to `)
	nothingLine = regexp.MustCompile(`(?m)^nothing was sampled of `)
	traceLine   = regexp.MustCompile(`(?m)^trace ([0-9a-f]{32}), status \d+$`)
)

// listedTraces is how many IDs the example lists at the most.
const listedTraces = 10

// run runs the example and waits for its end. The services send their spans to endpoint, the
// proxies always speak OTLP. It runs without an environment, which could change what is sent.
func (e example) run(ctx context.Context, t *testing.T, endpoint string, jaeger jaegertest.Endpoints, args ...string) run {
	t.Helper()
	args = append(args, "-endpoint", endpoint, "-proxy-endpoint", otlpEndpoint(jaeger)+"/v1/traces")
	cmd := exec.CommandContext(ctx, string(e), args...)
	cmd.Env = []string{}
	output, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("profile %q: %v\n%s", args, err, output)
	}
	ran := run{output: string(output), pid: cmd.Process.Pid}
	found := sampledLine.FindSubmatch(output)
	switch {
	case nothingLine.Match(output):
		return ran
	case found == nil:
		t.Fatalf("profile %q does not say how many traces it sampled:\n%s", args, output)
	}
	if ran.sampled, err = strconv.Atoi(string(found[1])); err != nil {
		t.Fatal(err)
	}
	for _, line := range traceLine.FindAllSubmatch(output, -1) {
		ran.traceIDs = append(ran.traceIDs, string(line[1]))
	}
	if len(ran.traceIDs) != min(ran.sampled, listedTraces) {
		t.Fatalf("profile %q has listed %d traces of %d:\n%s", args, len(ran.traceIDs), ran.sampled, output)
	}
	return ran
}

// held returns the traces that Jaeger holds, and checks that they are those of the run.
func (r run) held(ctx context.Context, t *testing.T, query *jaegertest.Query) map[string][]jaegertest.Span {
	t.Helper()
	traces, err := query.Traces(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	if len(traces) != r.sampled {
		t.Errorf("Jaeger holds %d traces, want %d:\n%s", len(traces), r.sampled, r.output)
	}
	if i := slices.IndexFunc(r.traceIDs, func(id string) bool { return traces[id] == nil }); i >= 0 {
		t.Errorf("Jaeger does not hold trace %s", r.traceIDs[i])
	}
	return traces
}
