package jaegertest_test

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/meshtrace/meshtrace/e2e/internal/jaegertest"
)

const (
	patience   = 20 * time.Second       // for what should happen
	impatience = 200 * time.Millisecond // for what should not
)

var startTests = []struct {
	rule     string
	fake     string
	patience time.Duration
	want     string // what the error contains; none if empty
}{
	{"a Jaeger that is ready is returned", "healthy", patience, ""},
	{"a port that somebody took is tried again", "unlucky", patience, ""},
	{"but not for ever", "hapless", patience, "a port was taken"},
	{"a Jaeger that stops is an error with its log", "broken", patience, "exit status 1\nunknown setting"},
	{"a Jaeger that never says it is ready is waited for until ctx is done", "hanging", impatience, "did not become ready: context deadline exceeded"},
	{"so is one that says so and is not", "unhealthy", impatience, "is not healthy: context deadline exceeded"},
}

func TestStart(t *testing.T) {
	for _, tt := range startTests {
		t.Run(tt.rule, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), tt.patience)
			defer cancel()
			server, err := jaegertest.Start(ctx, fake(t, tt.fake))
			if err == nil {
				defer server.Close()
			}
			if tt.want == "" && err != nil {
				t.Errorf("Start: %v", err)
			}
			if tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("Start: error %v, want one that says %q", err, tt.want)
			}
		})
	}
}

func TestStartWithoutExecutable(t *testing.T) {
	_, err := jaegertest.Start(t.Context(), filepath.Join(t.TempDir(), "missing"))
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Start: error %v, want %v", err, fs.ErrNotExist)
	}
}

func TestCloseEndsTheProcess(t *testing.T) {
	server, err := jaegertest.Start(t.Context(), fake(t, "healthy"))
	if err != nil {
		t.Fatal(err)
	}
	for _, which := range []string{"first", "second"} {
		if err := server.Close(); err != nil {
			t.Errorf("%s Close: %v", which, err)
		}
	}
	if conn, err := net.Dial("tcp4", server.Endpoints.Health); err == nil {
		conn.Close()
		t.Errorf("%s is still served", server.Endpoints.Health)
	}
}

// A program that ends without Close, as a test that panics does, takes its Jaeger with it.
func TestProcessEndsWithItsUser(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("of Linux only")
	}
	careless := exec.Command(fake(t, "careless"), fake(t, "healthy"))
	careless.Env = []string{"TMPDIR=" + t.TempDir()} // it does not clean up
	health, err := careless.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, health)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for ctx.Err() == nil {
		conn, err := net.Dial("tcp4", string(health))
		if err != nil {
			return
		}
		conn.Close()
	}
	t.Errorf("%s is still served", health)
}

func TestBuildNamesWhatFailed(t *testing.T) {
	if path, err := jaegertest.Build(t.Context(), t.TempDir()); err == nil {
		t.Errorf("Build of no module = %q, want an error", path)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := jaegertest.Build(ctx, t.TempDir()); !errors.Is(err, context.Canceled) {
		t.Errorf("Build without time: error %v, want %v", err, context.Canceled)
	}
}
