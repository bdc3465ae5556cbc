// Package process lets a program start itself again to play another part, so that what each
// part uses can be told apart.
//
//	parent: Start -> Ask, Ask, ... -> Close        child: Main -> its Role -> one Answer a question
//
// Questions and answers are lines on the child's standard input and output. The child ends when
// its input does, which happens however the parent ends.
package process

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
)

const (
	roleVariable     = "MESHTRACE_BENCHMARK_ROLE"
	settingsVariable = "MESHTRACE_BENCHMARK_SETTINGS"
)

// A Role makes ready, as the settings say, and returns what answers the parent's questions. If
// it fails, its error is the answer to each of them.
type Role func(settings []byte) (Answer, error)

// Answer answers a question with a value that becomes JSON.
type Answer func(question string) (any, error)

// Settings makes a role of a function that takes its settings decoded.
func Settings[T any](role func(T) (Answer, error)) Role {
	return func(encoded []byte) (Answer, error) {
		var settings T
		if err := json.Unmarshal(encoded, &settings); err != nil {
			return nil, fmt.Errorf("process: settings: %w", err)
		}
		return role(settings)
	}
}

// Main plays the role that this process was started for, and ends it. In a process without a
// role it does nothing. It is the first thing for main and TestMain to do.
func Main(roles map[string]Role) {
	name := os.Getenv(roleVariable)
	if name == "" {
		return
	}
	answer := play(roles[name], name)
	questions, answers := bufio.NewScanner(os.Stdin), json.NewEncoder(os.Stdout)
	for questions.Scan() {
		var r reply
		value, err := answer(questions.Text())
		if r.Answer = value; err != nil {
			r = reply{Error: err.Error()}
		}
		if err := answers.Encode(r); err != nil {
			fmt.Fprintf(os.Stderr, "process: %s: %v\n", name, err)
			os.Exit(1)
		}
	}
	os.Exit(0)
}

// play starts the role, or returns what says why that failed.
func play(role Role, name string) Answer {
	if role == nil {
		return func(string) (any, error) { return nil, fmt.Errorf("there is no role %q", name) }
	}
	answer, err := role([]byte(os.Getenv(settingsVariable)))
	if err != nil {
		return func(string) (any, error) { return nil, err }
	}
	return answer
}

// Unknown is the answer to a question that a role does not know.
func Unknown(question string) (any, error) {
	return nil, fmt.Errorf("unknown question %q", question)
}
