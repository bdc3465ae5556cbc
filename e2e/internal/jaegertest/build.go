package jaegertest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// Build returns the path of Jaeger's executable. module is the directory of the Go module that
// has Jaeger as its tool.
//
// The executable is in Go's build cache, and is built first if it is not: minutes then, and a
// second otherwise. A build that ctx cut short goes on where it stopped when Build is called again.
func Build(ctx context.Context, module string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "tool", "-n", "jaeger")
	cmd.Dir = module
	cmd.Env = append(os.Environ(), "GOWORK=off") // no workspace has this module among its own
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.Output()
	if ctx.Err() != nil {
		return "", fmt.Errorf("jaegertest: build Jaeger: %w", ctx.Err())
	}
	if err != nil {
		return "", fmt.Errorf("jaegertest: build Jaeger: %w\n%s", err, stderr.Bytes())
	}
	return strings.TrimSpace(string(stdout)), nil
}
