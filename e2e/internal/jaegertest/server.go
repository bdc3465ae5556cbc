package jaegertest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// ready is what Jaeger logs when all that it starts has started.
const ready = "Everything is ready."

// attempts is how often Start tries to get a set of ports before somebody else does.
const attempts = 5

// errPortTaken says that Jaeger stopped because a port was not free any more.
var errPortTaken = errors.New("jaegertest: a port was taken before Jaeger could listen")

// A Server is a running Jaeger.
type Server struct {
	Endpoints Endpoints

	dir    string // holds the configuration
	cmd    *exec.Cmd
	log    *journal
	exited chan struct{} // closed when the process has ended
}

// Start runs executable, as [Build] returns it, and returns when it is ready. The caller must
// call Close; a caller that dies takes its Jaeger with it, on Linux.
//
// ctx bounds the start alone. An error of Jaeger's contains its log.
func Start(ctx context.Context, executable string) (*Server, error) {
	var err error
	for range attempts {
		var s *Server
		if s, err = start(ctx, executable); !errors.Is(err, errPortTaken) {
			return s, err
		}
	}
	return nil, err
}

// start is one attempt of Start.
func start(ctx context.Context, executable string) (*Server, error) {
	endpoints, err := freeEndpoints()
	if err != nil {
		return nil, err
	}
	s, err := launch(executable, endpoints)
	if err != nil {
		return nil, err
	}
	if err := s.awaitReady(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// launch starts the process that listens on e.
func launch(executable string, e Endpoints) (*Server, error) {
	dir, err := os.MkdirTemp("", "jaegertest-")
	if err != nil {
		return nil, fmt.Errorf("jaegertest: %w", err)
	}
	config := filepath.Join(dir, "config.yaml")
	if err := writeConfig(config, e); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	s := &Server{
		Endpoints: e,
		dir:       dir,
		cmd:       exec.Command(executable, "--config", "file:"+config),
		log:       newJournal(ready),
		exited:    make(chan struct{}),
	}
	s.cmd.Env = []string{"TMPDIR=" + dir} // no setting reaches Jaeger but through its configuration
	s.cmd.Dir = dir
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	s.cmd.SysProcAttr = lifeline()
	if err := s.run(); err != nil {
		return nil, errors.Join(fmt.Errorf("jaegertest: %w", err), os.RemoveAll(dir))
	}
	return s, nil
}

// run starts the process, on a thread that lives as long as it does: see lifeline.
func (s *Server) run() error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := s.cmd.Start()
		started <- err
		if err == nil {
			s.cmd.Wait() // that it was killed is no news, and what else went wrong is in the log
			close(s.exited)
		}
	}()
	return <-started
}

// awaitReady returns when Jaeger says that it is ready, in its log and to whoever asks.
func (s *Server) awaitReady(ctx context.Context) error {
	select {
	case <-s.log.marked: // not before all listen: who answers on our ports now is our Jaeger
	case <-s.exited:
		if strings.Contains(s.Log(), "address already in use") {
			return errPortTaken
		}
		return fmt.Errorf("jaegertest: Jaeger stopped: %v\n%s", s.cmd.ProcessState, s.Log())
	case <-ctx.Done():
		return fmt.Errorf("jaegertest: Jaeger did not become ready: %w\n%s", ctx.Err(), s.Log())
	}
	err := poll(ctx, func() (bool, error) {
		status, _, err := get(ctx, "http://"+s.Endpoints.Health+"/status")
		return status == http.StatusOK, err
	})
	if err != nil {
		return fmt.Errorf("jaegertest: Jaeger is not healthy: %w\n%s", err, s.Log())
	}
	return nil
}

// Query returns a client of the server's query service.
func (s *Server) Query() *Query {
	return NewQuery(s.Endpoints.QueryHTTP)
}

// PID returns the ID of Jaeger's process.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Log returns what Jaeger has logged so far.
func (s *Server) Log() string { return s.log.String() }

// Close ends Jaeger, and returns when it has ended. What it held is lost. Close may be called
// more than once, but not concurrently.
func (s *Server) Close() error {
	err := s.cmd.Process.Kill()
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	<-s.exited
	return errors.Join(err, os.RemoveAll(s.dir))
}
