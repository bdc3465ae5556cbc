package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/meshtrace/meshtrace/e2e/internal/jaegertest"
)

const (
	// quietBuild is how long a build of Jaeger may take before somebody may wonder.
	quietBuild = 10 * time.Second

	// reserve is what a build has to leave of the time that the tests have.
	reserve = 30 * time.Second

	// patience is how long a test waits for another process.
	patience = 2 * time.Minute
)

// startJaeger starts a Jaeger that lives as long as the test.
func startJaeger(t *testing.T) *jaegertest.Server {
	t.Helper()
	executable, err := buildJaeger(t)
	if err != nil {
		t.Fatal(err)
	}
	server, err := jaegertest.Start(deadline(t), executable)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("Jaeger's log:\n%s", server.Log())
		}
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return server
}

// deadline returns a context that is done when the test is, or when it has waited long enough.
func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

var build struct {
	once       sync.Once
	executable string
	err        error
}

// buildJaeger builds Jaeger once, for all tests.
func buildJaeger(t *testing.T) (string, error) {
	build.once.Do(func() {
		notice := time.AfterFunc(quietBuild, func() {
			fmt.Fprintln(os.Stderr, "e2e: building Jaeger, which takes minutes the first time")
		})
		defer notice.Stop()
		ctx, cancel := context.Background(), func() {}
		if end, ok := t.Deadline(); ok {
			ctx, cancel = context.WithDeadline(ctx, end.Add(-reserve))
		}
		defer cancel()
		build.executable, build.err = jaegertest.Build(ctx, "jaeger")
		if errors.Is(build.err, context.DeadlineExceeded) {
			build.err = fmt.Errorf("%w: the first build takes minutes; run the tests with -timeout 30m, or again", build.err)
		}
	})
	return build.executable, build.err
}
