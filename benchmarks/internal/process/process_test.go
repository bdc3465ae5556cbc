package process_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/meshtrace/meshtrace/benchmarks/internal/process"
)

type greeting struct{ Word string }

func TestMain(m *testing.M) {
	process.Main(map[string]process.Role{
		"greeter": process.Settings(func(g greeting) (process.Answer, error) {
			return func(question string) (any, error) {
				if question == "pid" {
					return os.Getpid(), nil
				}
				return nil, errors.New(g.Word + ", " + question)
			}, nil
		}),
		"broken": func([]byte) (process.Answer, error) { return nil, errors.New("out of order") },
	})
	os.Exit(m.Run())
}

func start(t *testing.T, role string, settings any) *process.Child {
	t.Helper()
	child, err := process.Start(role, settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := child.Close(); err != nil {
			t.Error(err)
		}
	})
	return child
}

func TestAskIsAnsweredByAnotherProcess(t *testing.T) {
	child := start(t, "greeter", greeting{"hello"})
	for range 2 {
		var pid int
		if err := child.Ask("pid", &pid); err != nil {
			t.Fatal(err)
		}
		if pid == 0 || pid == os.Getpid() {
			t.Errorf("answered by process %d, and this is %d", pid, os.Getpid())
		}
	}
}

func TestAskReturnsTheChildsError(t *testing.T) {
	for _, tt := range []struct{ role, want string }{
		{"greeter", "hello, you"},
		{"broken", "out of order"},
		{"nobody", "no role"},
	} {
		err := start(t, tt.role, greeting{"hello"}).Ask("you", nil)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %q", tt.role, err, tt.want)
		}
	}
}

func TestAskOfAClosedChildFails(t *testing.T) {
	child, err := process.Start("greeter", greeting{})
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Close(); err != nil {
		t.Fatal(err)
	}
	if err := child.Ask("pid", nil); err == nil {
		t.Error("no error")
	}
}
