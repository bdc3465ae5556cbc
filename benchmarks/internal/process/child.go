package process

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// Child is a process that plays a role for this one. It is for one goroutine.
type Child struct {
	role    string
	cmd     *exec.Cmd
	stdin   io.WriteCloser
	answers *bufio.Reader
}

// Start starts the program that is running once more, in the given role. The settings, as JSON,
// are the role's. The child ends with Close, or when this process does.
func Start(role string, settings any) (*Child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	encoded, err := json.Marshal(settings)
	if err != nil {
		return nil, fmt.Errorf("process: settings of %s: %w", role, err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(environment(), roleVariable+"="+role, settingsVariable+"="+string(encoded))
	cmd.Stderr = os.Stderr
	stdin, errIn := cmd.StdinPipe()
	stdout, errOut := cmd.StdoutPipe()
	if err := errors.Join(errIn, errOut); err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("process: start %s: %w", role, err)
	}
	return &Child{role: role, cmd: cmd, stdin: stdin, answers: bufio.NewReader(stdout)}, nil
}

// environment returns this process's without what would set tracing up: what is compared is what
// the program says.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(variable string) bool {
		return strings.HasPrefix(variable, "OTEL_") || strings.HasPrefix(variable, "JAEGER_")
	})
}

// Ask asks the child a question, waits, and decodes the answer into the value that answer points
// to, or nowhere if it is nil.
func (c *Child) Ask(question string, answer any) error {
	if _, err := fmt.Fprintln(c.stdin, question); err != nil {
		return fmt.Errorf("process: ask %s to %s: %w", c.role, question, err)
	}
	line, err := c.answers.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("process: %s did not answer %s: %w", c.role, question, err)
	}
	reply := reply{Answer: answer}
	if err := json.Unmarshal(line, &reply); err != nil {
		return fmt.Errorf("process: %s answered %s with %.64q: %w", c.role, question, line, err)
	}
	if reply.Error != "" {
		return fmt.Errorf("%s: %s: %s", c.role, question, reply.Error)
	}
	return nil
}

// Close ends the child and waits for it.
func (c *Child) Close() error {
	_ = c.stdin.Close() // which tells it; if the pipe is broken, it knows
	if err := c.cmd.Wait(); err != nil {
		return fmt.Errorf("process: %s: %w", c.role, err)
	}
	return nil
}

// reply is what a child writes for each question.
type reply struct {
	Answer any    `json:"answer,omitempty"`
	Error  string `json:"error,omitempty"`
}
